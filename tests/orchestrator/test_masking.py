import pytest

from ops_contract import MASK, is_secret, masked_url
from ops_orchestrator.masking import masked


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Proxy-Authorization",
        "X-Auth-Token",
        "X-API-Key",
        "api_key",
        "apikey",
        "APIKEY",
        "token",
        "access_token",
        "X-CSRF-Token",
        "client_secret",
        "password",
        "passwd",
        "credentials",
        "Cookie",
        "Set-Cookie",
        "session-id",
        "X-Amz-Signature",
    ],
)
def test_name_of_a_secret_is_known(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["Accept", "Content-Type", "User-Agent", "X-Run", "iso", "country", "last", "pass", ""])
def test_name_of_anything_else_is_shown(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    "name", ["Ocp-Apim-Subscription-Key", "access_key", "private-key", "pwd", "sig", "jwt", "passphrase", "key"]
)
def test_name_of_a_secret_that_is_less_common_is_known(name: str) -> None:
    assert is_secret(name)


def test_values_of_secrets_are_masked_and_others_kept() -> None:
    headers = {"Authorization": "Bearer s3cret", "Accept": "*/*", "x-api-key": ""}
    assert masked(headers) == {"Authorization": MASK, "Accept": "*/*", "x-api-key": MASK}
    assert headers["Authorization"] == "Bearer s3cret"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://a.test/x?token=s3cret", "http://a.test/x?token=***"),
        ("http://a.test/x?iso=DO&api_key=s3cret&last=5", "http://a.test/x?iso=DO&api_key=***&last=5"),
        ("http://a.test/x?token=s3cret&token=s3cret", "http://a.test/x?token=***&token=***"),
        ("http://a.test/x?token=", "http://a.test/x?token=***"),
        ("http://a.test/x?TOKEN=s3cret#part", "http://a.test/x?TOKEN=***#part"),
        ("http://a.test/x?%74oken=s3cret", "http://a.test/x?%74oken=***"),
        ("http://a.test/x?token=a%26b%3Ds3cret", "http://a.test/x?token=***"),
        ("http://[::1]:8080/x?token=s3cret", "http://[::1]:8080/x?token=***"),
        ("/x?token=s3cret", "/x?token=***"),
    ],
)
def test_secret_in_a_query_is_masked(url: str, shown: str) -> None:
    assert masked_url(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "http://a.test",
        "http://a.test/x",
        "http://a.test/x?",
        "http://a.test/token/s",
        "http://a.test/x?iso=DO&last=5",
        "http://a.test/x?a=b%20c&d&e=+%2F#token=1",
        "http://[::1]:8080/x?a=1",
    ],
)
def test_address_without_a_secret_stays_as_it_is(url: str) -> None:
    assert masked_url(url) == url


@pytest.mark.parametrize("other", ["a=b%20c", "a", "a=x/y", "a=%c3%a9"])
def test_parameter_beside_a_secret_stays_as_it_is(other: str) -> None:
    assert masked_url(f"http://a.test/x?{other}&token=s3cret") == f"http://a.test/x?{other}&token=***"
