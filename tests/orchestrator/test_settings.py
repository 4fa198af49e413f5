from pathlib import Path

import pytest

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.settings import read_settings


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
