"""Staging faults from the command line."""

import http.client
import json
import os
import signal
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from subprocess import Popen
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ops_stubs.cli import cli
from ops_stubs.faults import KINDS, VIOLATIONS
from ops_stubs.faults.container import is_hardened, local_host

pytestmark = pytest.mark.slow

MakeBody = Callable[..., dict[str, Any]]
Serve = Callable[..., AbstractContextManager[tuple["Popen[str]", int]]]


def invoke(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, arguments, env=environment)


def answer(port: int, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request(method, path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_faults_lists_every_id_and_kind_with_a_sentence() -> None:
    text = invoke("faults").stdout
    assert all(each.id in text and each.broken in text and each.seen in text for each in VIOLATIONS.values())
    assert all(kind.sentence in text for kind in KINDS.values())


def test_faults_for_programs_is_json() -> None:
    listed = json.loads(invoke("faults", "--json").stdout)
    assert {row["id"] for row in listed["violations"]} == set(VIOLATIONS)
    assert {row["kind"]: row["parameters"] for row in listed["faults"]} == {
        name: dict(kind.defaults) for name, kind in KINDS.items()
    }
    assert listed["plan"]["path"] == "/execute"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["monitor", "--violate", "OPS-ART-0003"], "did you mean 'OPS-ART-003'?"),
        (["monitor", "--violate", "OPS-ART-003,x"], "no requirement is called 'X'"),
        (["monitor", "--fault", "latencie"], "did you mean 'latency'?"),
        (["monitor", "--fault", "latency:ms=slow"], "ms must be a number"),
        (["--violate", "OPS-ART-003"], "faults are staged in one module"),
        (["legacy", "--admin"], "faults are staged in one module"),
    ],
    ids=str,
)
def test_serve_of_a_fault_that_cannot_be_staged_is_a_usage_error(arguments: list[str], sentence: str) -> None:
    result = invoke("serve", *arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_serve_answers_with_what_the_options_stage_and_says_so_on_the_side(serve: Serve, body: MakeBody) -> None:
    options = ("--violate", "OPS-EXE-002", "--violate", "OPS-EXE-007", "--fault", "status:code=503,first=1")
    with serve("monitor", *options) as (process, port):
        assert process.stderr is not None
        said = process.stderr.readline()
        late = answer(port, "POST", "/execute", body())
        envelope = answer(port, "POST", "/execute", body())[1]
        staged = answer(port, "GET", "/__stub/faults")[1]
    assert said == "staged: OPS-EXE-002, OPS-EXE-007, status:code=503,first=1; admin API at /__stub\n"
    assert (late[0], envelope["module"], "version" in envelope) == (503, "monitor-other", False)
    assert (staged["violate"], staged["faults"][0]["first"]) == (["OPS-EXE-002", "OPS-EXE-007"], 1)


def test_each_of_all_stubs_has_faults_and_a_journal_of_its_own(serve: Serve, body: MakeBody) -> None:
    with serve("--admin") as (process, port):
        assert process.stderr is not None
        assert "admin API of each module at /<module>/__stub" in process.stderr.readline()
        staged = answer(port, "PUT", "/monitor/__stub/faults", {"faults": ["reset:first=1"], "violate": ["OPS-EXE-007"]})[1]
        with pytest.raises(ConnectionResetError):
            answer(port, "POST", "/monitor/execute", body())
        broken, whole = (answer(port, "POST", f"/{name}/execute", body())[1] for name in ("monitor", "data-layer"))
        seen = answer(port, "GET", "/data-layer/__stub/requests")[1]["requests"]
    assert staged["violate"] == ["OPS-EXE-007"]
    assert ("version" in broken, "version" in whole) == (False, True)
    assert [entry["path"] for entry in seen] == ["/execute"]


def test_serve_takes_violations_from_the_environment_and_listens_locally_whatever_the_host(serve: Serve) -> None:
    """OPS-CTR-001: an address that is local, too, but another one, stands for what is outside."""
    staged = {"OPS_STUBS_VIOLATE": "OPS-CTR-001,ops-hlt-005", "OPS_HOST": "0.0.0.0"}  # noqa: S104 - that is the point
    with serve("monitor", **staged) as (_, port):
        assert "contract_versions" not in answer(port, "GET", "/health")[1]
        connection = http.client.HTTPConnection("127.0.0.2", port)
        with pytest.raises(ConnectionRefusedError):
            connection.connect()


def test_stub_that_listens_locally_can_be_reached_on_the_default_port() -> None:
    """OPS-CTR-001: or nothing else of it could be checked."""
    assert (local_host("::", 8080), local_host("::", 8081)) == ("::", "127.0.0.1")


def test_serve_that_ignores_sigterm_goes_on_answering(serve: Serve) -> None:
    """OPS-CTR-003: the signal is delivered before the next system call returns, and SIGINT still works."""
    with serve("monitor", "--violate", "OPS-CTR-003") as (process, port):
        assert answer(port, "GET", "/health")[0] == 200
        process.send_signal(signal.SIGTERM)
        assert [answer(port, "GET", "/health")[0] for _ in range(3)] == [200] * 3
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130


def test_serve_that_needs_root_goes_on_only_where_the_root_can_be_written() -> None:
    """OPS-CTR-002: elsewhere, it ends before it listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = invoke("serve", "monitor", "--violate", "OPS-CTR-002", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 1
    assert ("needs root's rights" if is_hardened() else "cannot listen on") in result.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="says what root is")
def test_root_is_never_hardened() -> None:
    assert not is_hardened()
