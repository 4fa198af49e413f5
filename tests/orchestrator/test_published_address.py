import pytest

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.published_address import published_url
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
