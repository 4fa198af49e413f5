import pytest
from structlog.testing import capture_logs

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.published_address import published_url
from ops_orchestrator.service.listener import log_listening
from ops_orchestrator.settings import read_settings


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("9000", "http://127.0.0.1:9000"),
        ("0.0.0.0:9000", "http://127.0.0.1:9000"),
        ("[::]:9000", "http://[::1]:9000"),
        ("[fe80::1%eth0]:9000", "http://[fe80::1%eth0]:9000"),
        ("ops.example.org:9000", "http://ops.example.org:9000"),
        ("127.0.0.1:0", ""),
        ("127.0.0.1:", ""),
        ("8000-8010", ""),
    ],
)
def test_address_is_said_as_a_person_opens_it(address: str, url: str) -> None:
    assert published_url(address) == url


@pytest.mark.parametrize(
    ("published_at", "said"),
    [
        ("0.0.0.0:9000", "open http://127.0.0.1:9000 in a browser"),
        ("", "open http://127.0.0.1:8123 in a browser"),
        ("127.0.0.1:0", "`docker compose port orchestrator 8000` prints it"),
    ],
)
def test_service_that_listens_says_where_a_person_opens_it(
    published_at: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPS_PUBLISHED_AT", published_at)
    with capture_logs() as logs:
        log_listening("http://127.0.0.1:8123", read_settings())
    assert logs[0]["message"].endswith(said)


def test_service_is_published_at_a_url_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_PUBLISHED_AT", "https://ops.example.org/")
    assert read_settings().published_at == "https://ops.example.org"


@pytest.mark.parametrize("address", ["ops.example.org", "127.0.0.1:70000", "htps://x", "https://user:secret@x", "a b:8000"])
def test_address_that_nobody_can_open_is_refused_by_the_name_of_its_setting(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPS_PUBLISHED_AT", address)
    with pytest.raises(ConfigurationError, match="OPS_PUBLISHED_AT ") as refused:
        read_settings()
    assert "secret" not in str(refused.value)
