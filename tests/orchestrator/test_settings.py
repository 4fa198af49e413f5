import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.settings import misspelt_settings, read_settings


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_settings_without_environment_are_the_documented_defaults() -> None:
    settings = read_settings()
    assert (settings.runs_dir, settings.modules_file) == (Path("runs"), Path("modules.yaml"))
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)


def test_settings_come_from_ops_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_RUNS_DIR", "/data/runs")
    monkeypatch.setenv("OPS_MAX_CONCURRENT_RUNS", "3")
    settings = read_settings()
    assert (settings.runs_dir, settings.max_concurrent_runs) == (Path("/data/runs"), 3)


def test_settings_come_from_a_dotenv_file_below_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPS_PORT=9001\nOPS_HOST=::1\nUID=1000\n")
    monkeypatch.setenv("OPS_PORT", "9002")
    settings = read_settings()
    assert (settings.port, settings.host) == (9002, "::1")


def test_flag_of_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_PORT", "9002")
    assert read_settings(port=9003, host=None).port == 9003


def test_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_IMAGE_DIGEST", "")
    assert read_settings().image_digest is None


def test_setting_that_cannot_be_used_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_PORT", "eighty")
    with pytest.raises(ConfigurationError, match=r"OPS_PORT .*not 'eighty'"):
        read_settings()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("OPS_PORT=7899\n".encode("utf-16"), r"\.env: it is in UTF-16; save it as UTF-8"),
        ("OPS_HOST=a\n# café\n".encode("latin-1"), r"\.env: line 2 is not in UTF-8; save it as UTF-8"),
        (b"OPS_PORT=7899\nfoo bar\n", r"\.env:2: 'foo bar' is not NAME=VALUE"),
        (b'OPS_HOST="x\n', r"\.env:1: .* is not NAME=VALUE"),
        (b"OPS_PORT=7899\nX=a\0b\n", r"\.env:2: it holds a NUL character; remove it"),
        (b"#" * 1024 * 1025, r"\.env: it has more than 1048576 bytes"),
    ],
)
def test_dotenv_file_that_is_not_what_it_should_be_is_named_with_the_reason(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        read_settings()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_dotenv_that_is_not_a_plain_file_is_refused_and_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / ".env")
    with pytest.raises(ConfigurationError, match=r"cannot read \.env: it is not a plain file"):
        read_settings()


def test_dotenv_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPS_PORT=7899\n", encoding="utf-8-sig")
    assert read_settings().port == 7899


def test_tilde_means_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_RUNS_DIR", "~/runs")
    assert read_settings(modules_file=Path("~/m.yaml")).runs_dir == Path.home() / "runs"
    assert read_settings(modules_file=Path("~/m.yaml")).modules_file == Path.home() / "m.yaml"


def test_home_folder_that_is_not_known_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_RUNS_DIR", "~nobody-of-that-name/runs")
    with pytest.raises(ConfigurationError, match="OPS_RUNS_DIR names a home folder that is not known"):
        read_settings()


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://localhost:port", "http://localhost:99999", "localhost:8000", "http://a b"]
)
def test_address_that_cannot_be_one_is_refused_with_where_it_came_from(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    with pytest.raises(ConfigurationError, match="--url must"):
        read_settings(url=url)
    monkeypatch.setenv("OPS_URL", url)
    with pytest.raises(ConfigurationError, match="OPS_URL must"):
        read_settings()


@pytest.mark.parametrize(
    "url", ["http://user:hunter2@localhost:8000", "http://user:hunter2@localhost:99999", "http://user:hun/ter2@h"]
)
def test_address_with_a_password_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("OPS_URL", url)
    with pytest.raises(ConfigurationError, match="OPS_URL must not hold a user name or password") as caught:
        read_settings()
    assert "hun" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"), [("OPS_URL", "nonsense"), ("OPS_RUNS_DIR", "~nobody-of-that-name/x"), ("OPS_PORT", "x")]
)
def test_message_about_a_setting_has_no_words_for_programmers(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as caught:
        read_settings()
    assert not re.search("Value error|Input should|pydantic", str(caught.value))


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("OPS_WORKER", "did you mean OPS_WORKERS?"),
        ("OPS_RUN_DIR", "did you mean OPS_RUNS_DIR?"),
        ("OPS_XYZZY", "`ops serve --show-settings` prints those that there are"),
    ],
)
def test_misspelt_setting_is_named_with_what_was_meant(tmp_path: Path, variable: str, hint: str) -> None:
    ignored = f"is not a setting and is ignored; {hint}"
    assert [*misspelt_settings(read_settings(), {variable: "2"})] == [f"{variable} {ignored}"]
    (tmp_path / ".env").write_text(f"UID=1\nOPS_PORT=1\nexport {variable}=2\n")
    assert [*misspelt_settings(read_settings(), {})] == [f"{variable} in .env {ignored}"]


def test_variables_that_are_read_elsewhere_or_empty_are_not_misspelt(tmp_path: Path) -> None:
    (tmp_path / "modules.yaml").write_text("modules:\n  alpha: {url: '${OPS_ALPHA_URL}'}\n")
    environment = {"OPS_ALPHA_URL": "http://a", "OPS_WORKERS": "2", "ops_port": "1", "OPS_PORTS": "", "OPSY": "1"}
    assert not [*misspelt_settings(read_settings(), environment)]


def test_key_that_cannot_be_sent_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_API_KEY", "ops_hunter2 ")
    with pytest.raises(ConfigurationError, match="OPS_API_KEY has spaces") as caught:
        read_settings()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", ["perhaps", "127.0.0.1:99999", "http://127.0.0.1:8000"])
def test_opening_that_is_neither_yes_nor_no_nor_an_address_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("OPS_OPEN", value)
    with pytest.raises(ConfigurationError, match="OPS_OPEN must be yes, no, or the HOST:PORT"):
        read_settings()
