"""`ops runs cancel`, `ops runs resume` and `ops run --key`, through a service that is a process of its own."""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import on_terminal, ops
from local_service import HTTP, service

pytestmark = pytest.mark.slow

UNKNOWN = "run_2026-01-09T12-34-56Z_ab12cd"


@dataclass(frozen=True)
class Home:
    """Where an orchestrator runs whose module `slow` never gets ready, and whose `monitor` is there once it is started."""

    folder: Path
    url: str
    monitor_port: int

    def ops(self, *words: str) -> tuple[int, str, str]:
        """Run `ops WORDS`, its output piped; returns the exit code, what it printed, and what it said on standard error."""
        ran = ops(self.folder, *words, OPS_URL=self.url)
        return ran.returncode, ran.stdout, ran.stderr

    def scenario(self, module: str) -> str:
        """A file with a scenario that calls `module`."""
        file = self.folder / f"{module}.json"
        file.write_text(json.dumps({"scenario_id": module, "modules": [module]}))
        return str(file)

    def under_way(self) -> str:
        """The id of a run that will not end by itself."""
        body = {"scenario_id": "slow", "modules": ["slow"]}
        return str(HTTP.post(f"{self.url}/plan_and_execute", json=body, headers={"Prefer": "respond-async"}).json()["run_id"])

    def record(self, run_id: str) -> dict[str, Any]:
        """The run as its folder has it."""
        return dict(json.loads((self.folder / "runs" / run_id / "run.json").read_bytes()))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("home")
    with socket.create_server(("127.0.0.1", 0)) as unused, socket.create_server(("127.0.0.1", 0)) as later:
        slow, monitor = (each.getsockname()[1] for each in (unused, later))
    modules = {"slow": (slow, 3600), "monitor": (monitor, 0)}
    lines = [f"  {name}: {{url: http://127.0.0.1:{port}, ready_timeout_s: {wait}}}" for name, (port, wait) in modules.items()]
    (folder / "modules.yaml").write_text("\n".join(["defaults: {retries: 0}", "modules:", *lines, ""]))
    variables = {"OPS_MODULES_FILE": str(folder / "modules.yaml")}
    with service(folder, "ops", "serve", "--port", "0", **variables) as (_, url):
        yield Home(folder, url, monitor)


@pytest.fixture
def failed(home: Home) -> str:
    """The id of a run that failed, since its module was not there."""
    code, out, _ = home.ops("run", home.scenario("monitor"))
    assert code == 1
    return str(json.loads(out)["run_id"])


@pytest.fixture
def monitor(home: Home, failed: str) -> Iterator[None]:
    """The module is there now."""
    assert failed
    with service(home.folder, "ops-stubs", "serve", "monitor", "--port", str(home.monitor_port)):
        yield


def test_cancelled_run_is_printed_as_json_and_is_stored(home: Home) -> None:
    run_id = home.under_way()
    code, out, _ = home.ops("runs", "cancel", run_id)
    assert (code, json.loads(out)["run_id"], json.loads(out)["status"]) == (0, run_id, "cancelled")
    assert home.record(run_id)["status"] == "cancelled"


@pytest.mark.parametrize("name", ["latest", "beginning"])
def test_run_to_cancel_is_named_as_everywhere(home: Home, name: str) -> None:
    run_id = home.under_way()
    code, out, _ = home.ops("runs", "cancel", "latest" if name == "latest" else run_id[4:-1])
    assert (code, json.loads(out)["run_id"]) == (0, run_id)


def test_cancelled_run_on_a_terminal_says_how_to_go_on_with_it(home: Home) -> None:
    run_id = home.under_way()
    code, screen = on_terminal(home.folder, "runs", "cancel", run_id, OPS_URL=home.url, COLUMNS="300")
    assert (code, "cancelled" in screen) == (0, True)
    assert f"`ops runs resume {run_id}` goes on with it" in screen


@pytest.mark.usefixtures("monitor")
def test_failed_run_that_is_resumed_ends_like_a_run_that_was_started(home: Home, failed: str) -> None:
    code, out, _ = home.ops("runs", "resume", failed)
    answer = json.loads(out)
    assert (code, answer["run_id"], answer["status"], [*answer["results"]]) == (0, failed, "completed", ["monitor"])
    assert home.record(failed)["attempt"] == 2


@pytest.mark.usefixtures("monitor")
def test_resumed_run_on_a_terminal_shows_its_steps_and_its_folder(home: Home, failed: str) -> None:
    code, screen = on_terminal(home.folder, "runs", "resume", "latest", OPS_URL=home.url)
    assert (code, "completed" in screen, f"runs/{failed}" in screen) == (0, True, True)


def test_run_that_fails_again_when_it_is_resumed_exits_1(home: Home, failed: str) -> None:
    code, out, _ = home.ops("runs", "resume", failed)
    assert (code, json.loads(out)["status"], home.record(failed)["attempt"]) == (1, "failed", 2)


def test_run_that_is_over_is_not_cancelled_and_one_sentence_says_where_to_look(home: Home, failed: str) -> None:
    code, out, err = home.ops("runs", "cancel", failed)
    reason = f"{failed} is failed: only a run that is queued or running can be cancelled."
    assert (code, out, err) == (2, "", f"ops: {reason} See it with `ops runs show {failed}`.\n")


def test_run_that_is_under_way_is_not_resumed(home: Home) -> None:
    run_id = home.under_way()
    code, out, err = home.ops("runs", "resume", run_id)
    assert (code, out, f"ops: {run_id} is running: only a run that is over can be resumed; wait for it" in err) == (2, "", True)
    assert home.ops("runs", "cancel", run_id)[0] == 0


@pytest.mark.parametrize("action", ["cancel", "resume"])
def test_run_that_the_service_does_not_have_is_answered_with_where_to_look(home: Home, action: str) -> None:
    code, out, err = home.ops("runs", action, UNKNOWN)
    assert (code, out) == (2, "")
    assert err.startswith(f"ops: the orchestrator at {home.url} has no run {UNKNOWN}; `ops runs list`")


@pytest.mark.parametrize("action", ["resume", "show"])
def test_damaged_run_is_never_called_a_bug(home: Home, failed: str, action: str) -> None:
    (home.folder / "runs" / failed / "run.json").write_text("{")
    code, out, err = home.ops("runs", action, failed)
    assert (code, out, "run.json is damaged" in err) == (2, "", True)


@pytest.mark.parametrize("action", ["cancel", "resume"])
def test_service_that_is_not_there_exits_3(home: Home, action: str) -> None:
    code, _, err = home.ops("runs", action, UNKNOWN, "--url", "http://127.0.0.1:1")
    assert (code, "start one with `ops serve` or set OPS_URL" in err) == (3, True)


@pytest.mark.usefixtures("monitor")
def test_same_key_shows_the_first_run_and_another_scenario_is_refused(home: Home) -> None:
    words = ("run", home.scenario("monitor"), "--key", "order 66")
    (_, out, err), (_, again, err_again) = home.ops(*words), home.ops(*words)
    first = json.loads(out)
    assert (first["status"], json.loads(again), err) == ("completed", first, "")
    started_at = home.record(first["run_id"])["started_at"]
    assert err_again.startswith(f"ops: key order 66: this run was started at {started_at}; ")
    code, out, err = home.ops("run", home.scenario("slow"), "--key", "order 66")
    assert (code, out) == (2, "")
    assert first["run_id"] in err
