import base64
import html
import json
from typing import Any, Final
from urllib.parse import quote, quote_plus

import pytest

from ops_contract import MASK, is_secret, masked_url
from ops_orchestrator.masking import Secrets, TooManySecretsError
from ops_orchestrator.modules.confidential import masked_headers
from ops_orchestrator.modules.module import Module


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


def test_values_of_secrets_are_masked_and_others_kept(module: Module) -> None:
    headers = {"Authorization": "Bearer s3cret", "Accept": "*/*", "x-api-key": ""}
    masked = masked_headers(headers, module, Secrets())
    assert masked == {"Authorization": MASK, "Accept": "*/*", "x-api-key": MASK}
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


AWKWARD: Final = 't0k/en+"&é😀 x'


@pytest.mark.parametrize(
    "written",
    [
        AWKWARD,
        quote(AWKWARD),
        quote(AWKWARD, safe="").lower(),
        quote_plus(AWKWARD),
        json.dumps(AWKWARD)[1:-1],
        json.dumps(AWKWARD, ensure_ascii=False)[1:-1].replace("/", "\\/"),
        json.dumps(AWKWARD)[1:-1].replace("/", "\\u002F"),
        html.escape(AWKWARD),
    ],
)
def test_secret_is_masked_however_it_is_written(written: str) -> None:
    secrets = Secrets.of([AWKWARD])
    assert secrets.masked_text(f"é {written}.") == f"é {MASK}."
    assert secrets.masked_bytes(b"\xff" + written.encode()) == b"\xff" + MASK.encode()


@pytest.mark.parametrize(
    ("value", "repeated"),
    [
        ("Bearer abc.def-ghi", "abc.def-ghi"),
        ("token abcdef", "abcdef"),
        ("Basic " + base64.b64encode(b"user:hunter2").decode(), "user:hunter2"),
        ("Basic " + base64.b64encode(b"user:hunter2").decode(), "hunter2"),
        ("Basic " + base64.b64encode(b"user:hunter2").decode(), base64.b64encode(b"user:hunter2").decode()),
        (" abcdef\n", "abcdef"),
        (r"abc\"def", 'abc"def'),
    ],
)
def test_part_of_a_secret_that_can_be_used_alone_is_masked(value: str, repeated: str) -> None:
    assert Secrets.of([value]).masked_text(f"'{repeated}'") == f"'{MASK}'"


@pytest.mark.parametrize("value", ["", "abcde", "true", "123456789", "1e-12345", "Bearer", "Infinity"])
def test_value_that_could_stand_in_any_answer_is_not_masked(value: str) -> None:
    secrets = Secrets.of([value])
    assert not secrets
    assert secrets.masked({"a": value}) == {"a": value}


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ({"abcdef": 1}, {MASK: 1}),
        ({"a": ["x", "an abcdef", None, 1.5]}, {"a": ["x", f"an {MASK}", None, 1.5]}),
        (("abcdef", "b"), (MASK, "b")),
        (None, None),
    ],
)
def test_secret_is_masked_in_texts_and_keys(value: Any, masked: Any) -> None:
    assert Secrets.of(["abcdef"]).masked(value) == masked


def test_longer_one_of_two_secrets_is_masked_whole() -> None:
    assert Secrets.of(["abcdef", "abcdefgh"]).masked_text("abcdefgh") == MASK


def test_value_without_a_secret_is_the_same_object() -> None:
    value = {"a": ["b"]}
    assert Secrets.of(["abcdef"]).masked(value) is value


def test_secret_repeated_without_end_is_not_masked_one_by_one() -> None:
    secrets, text = Secrets.of(["abcdef"]), "abcdef " * 10_001
    assert secrets.masked_text(text) == MASK
    with pytest.raises(TooManySecretsError):
        secrets.masked([text])


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        ("is 'Bearer abcdefghij...', not JSON", f"is 'Bearer {MASK}...', not JSON"),
        ("at character 9 of 'jklmnopq\" & 5'", f"at character 9 of '{MASK}\" & 5'"),
        ("in 'hijklmnop'", f"in '{MASK}'"),
        ("in 'abcde...'", "in 'abcde...'"),
        ("in 'abcdefgh and more'", "in 'abcdefgh and more'"),
    ],
)
def test_part_of_a_secret_is_masked_where_a_message_cuts_it(message: str, masked: str) -> None:
    assert Secrets.of(["abcdefghijklmnopq"]).masked_message(message) == masked


def test_secrets_do_not_show_their_values() -> None:
    assert "abcdef" not in repr(Secrets.of(["abcdef"]))


def test_secret_of_any_length_is_masked() -> None:
    key = "".join(f"{number:05x}" for number in range(20_000))
    masked = Secrets.of([key]).masked_text(f"begin {key} end")
    assert (masked.replace(MASK, ""), len(masked) < 300) == ("begin  end", True)
