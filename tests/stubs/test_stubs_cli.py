"""The command line, in process and as a process."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops_stubs import __version__
from ops_stubs.catalogue import STUBS
from ops_stubs.cli import cli

PYTHON = [sys.executable, "-m", "ops_stubs"]


@pytest.fixture
def command() -> CliRunner:
    return CliRunner()


@contextmanager
def served(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A serving process and the line it printed; it is stopped in any case."""
    usual = {name: value for name, value in os.environ.items() if not name.startswith("OPS_")}
    process = subprocess.Popen([*PYTHON, "serve", *arguments], stdout=subprocess.PIPE, text=True, env=usual | environment)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def answer(line: str, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, object]]:
    """What the server announced in `line` answers; the path is sent as it is written."""
    found = re.search(r"http://(\S+)", line)
    assert found
    connection = http.client.HTTPConnection(found[1], timeout=60)
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


def test_serve_of_one_module_answers_until_it_is_stopped(repository: Path) -> None:
    """OPS-CTR-003, and OPS-ART-006 with a path that clients would tidy up."""
    scenario = json.loads((repository / "examples/plan_and_execute.request.json").read_text())
    ids = {"contract_version": "1.0", "run_id": "r", "step_id": "s", "scenario_id": "x", "action": "execute"}
    with served("policy-simulator", "--port", "0") as (process, line):
        assert line.startswith("serving policy-simulator at http://127.0.0.1:")
        assert answer(line, "GET", "/health")[1]["module"] == "policy-simulator"
        status, envelope = answer(line, "POST", "/execute", json.dumps(ids | {"inputs": scenario["inputs"]}).encode())
        assert (status, envelope["status"]) == (200, "success")
        assert [answer(line, "GET", f"/artifacts/r/s/{path}")[0] for path in ("../../../health", "..%2f..%2fx")] == [404, 404]
        assert answer(line, "POST", "/execute", b" " * (2**20 + 1))[0] == 413
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_serve_of_all_modules_takes_its_port_from_the_environment() -> None:
    """OPS-CTR-001."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with served(OPS_PORT=str(port)) as (process, line):
        assert line == f"serving 6 modules, each below its name, at http://127.0.0.1:{port}\n"
        assert answer(line, "GET", "/monitor/health")[1]["module"] == "monitor"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


@pytest.mark.parametrize("by_option", [True, False], ids=["option", "environment"])
@pytest.mark.parametrize(("module", "below"), [("legacy", ""), (None, "/legacy")])
def test_serve_writes_the_archive_of_the_legacy_service_where_it_is_told(
    tmp_path: Path, module: str | None, below: str, *, by_option: bool
) -> None:
    shared = str(tmp_path / "shared")
    arguments = [*([module] if module else []), "--port", "0", *(["--shared-dir", shared] if by_option else [])]
    # An option counts more than the environment.
    with served(*arguments, OPS_STUBS_SHARED_DIR=str(tmp_path / "elsewhere") if by_option else shared) as (_, line):
        assert answer(line, "GET", f"{below}/archive/health")[1]["module_name"] == "archive"
        assert answer(line, "POST", f"{below}/archive/execute", b'{"inputs": {"a": 1}}')[1]["status"] == "success"
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json")] == ["shared/archive/summary.json"]


def test_serve_keeps_the_archive_on_the_shared_volume_unless_told_otherwise(command: CliRunner) -> None:
    assert "/var/openpolicystack/artifacts" in command.invoke(cli, ["serve", "--help"]).stdout
