"""The command line, in process and as a process."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest
from local_service import started
from typer.testing import CliRunner

from ops_stubs import __version__
from ops_stubs.catalogue import STUBS
from ops_stubs.cli import cli

pytestmark = pytest.mark.slow

MakeBody = Callable[..., dict[str, Any]]
Serve = Callable[..., AbstractContextManager[tuple["Popen[str]", int]]]

PYTHON = [sys.executable, "-m", "ops_stubs"]
ARCHIVED = b'{"inputs": {"a": 1}}'


def written(folder: Path) -> list[str]:
    """The JSON files below `folder`."""
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*.json")]


@pytest.fixture
def command() -> CliRunner:
    return CliRunner()


def answer(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, object]]:
    """What is answered on `port`; the path is sent as it is written."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_list_names_every_module_and_marks_the_one_service_that_is_none(command: CliRunner) -> None:
    result = command.invoke(cli, ["list"])
    assert result.exit_code == 0
    *modules, legacy = result.stdout.splitlines()
    assert [line.split()[0] for line in modules] == list(STUBS)
    assert legacy.startswith("legacy ")
    assert ["does not follow the contract" in line for line in (*modules, legacy)] == [False] * len(STUBS) + [True]


def test_list_for_programs_is_json(command: CliRunner) -> None:
    *rows, legacy = json.loads(command.invoke(cli, ["list", "--json"]).stdout)
    assert (legacy["module"], legacy["follows_contract"], legacy["actions"]) == ("legacy", False, [])
    assert all(row["follows_contract"] for row in rows)
    assert [row["module"] for row in rows] == list(STUBS)
    assert {(row["version"], *row["actions"]) for row in rows} == {(__version__, "execute")}
    assert {path for row in rows for path in row["bare"]} == {"/run_scenario", "/score", "/risk"}


def test_serve_of_an_unknown_module_is_a_usage_error_that_helps(command: CliRunner) -> None:
    result = command.invoke(cli, ["serve", "policy-simulater"])
    assert result.exit_code == 2
    assert "did you mean 'policy-simulator'?" in result.stderr
    assert all(name in result.stderr for name in (*STUBS, "legacy"))


def test_serve_of_a_misspelt_legacy_is_a_usage_error_that_helps(command: CliRunner) -> None:
    result = command.invoke(cli, ["serve", "legasy"])
    assert result.exit_code == 2
    assert "did you mean 'legacy'?" in result.stderr


def test_serve_on_a_port_that_does_not_exist_is_a_usage_error(command: CliRunner) -> None:
    assert command.invoke(cli, ["serve", "--port", "65536"]).exit_code == 2


def test_serve_on_a_taken_port_says_so(command: CliRunner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = command.invoke(cli, ["serve", "monitor", "--port", str(port)])
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in result.stderr


def test_list_loads_neither_a_web_framework_nor_matplotlib() -> None:
    """It is what people try first, so it has to be quick."""
    code = "import sys, ops_stubs.cli; print(sorted({'fastapi', 'matplotlib', 'numpy', 'uvicorn'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_serve_of_one_module_answers_until_it_is_stopped(serve: Serve, body: MakeBody) -> None:
    """OPS-CTR-003, and OPS-ART-006 with a path that clients would tidy up."""
    with serve("data-layer") as (process, port):
        assert answer(port, "GET", "/health")[1]["module"] == "data-layer"
        status, envelope = answer(port, "POST", "/execute", json.dumps(body(run_id="r", step_id="s")).encode())
        assert (status, envelope["status"]) == (200, "success")
        assert [answer(port, "GET", f"/artifacts/r/s/{path}")[0] for path in ("../../../health", "..%2f..%2fx")] == [404, 404]
        assert answer(port, "GET", "/__stub/faults")[0] == 404
        assert answer(port, "POST", "/execute", b" " * (2**20 + 1))[0] == 413
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


def test_serve_of_all_modules_is_set_up_by_the_environment(tmp_path: Path) -> None:
    """OPS-CTR-001, and every stub warms up without a failure."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = {"OPS_PORT": str(port), "OPS_STUBS_SHARED_DIR": str(tmp_path / "shared")}
    with started(tmp_path, "ops-stubs", "serve", stdout=PIPE, stderr=PIPE, **variables) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"serving 6 modules, each below its name, at http://127.0.0.1:{port}\n"
        assert answer(port, "GET", "/monitor/health")[1]["module"] == "monitor"
        assert answer(port, "POST", "/legacy/archive/execute", ARCHIVED)[1]["status"] == "success"
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert written(tmp_path) == ["shared/archive/summary.json"]


def test_serve_writes_the_archive_where_an_option_says_whatever_the_environment_does(serve: Serve, tmp_path: Path) -> None:
    options = ("legacy", "--shared-dir", str(tmp_path / "shared"))
    with serve(*options, OPS_STUBS_SHARED_DIR=str(tmp_path / "elsewhere")) as (_, port):
        assert answer(port, "GET", "/archive/health")[1]["module_name"] == "archive"
        assert answer(port, "POST", "/archive/execute", ARCHIVED)[1]["status"] == "success"
    assert written(tmp_path) == ["shared/archive/summary.json"]


def test_serve_keeps_the_archive_on_the_shared_volume_unless_told_otherwise(command: CliRunner) -> None:
    assert "/var/openpolicystack/artifacts" in command.invoke(cli, ["serve", "--help"]).stdout
