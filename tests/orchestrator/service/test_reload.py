"""modules.yaml is read again while the service runs: what is registered changes, and runs under way do not."""

import json
import os
import signal
from pathlib import Path

import httpx2
import pytest
from api_keys import bearer, make_key
from held_module import held_module
from local_service import HTTP, command, service, started
from scripted_module import Gate, ScriptedModule, StartService, modules_yaml
from served_workers import Workers, workers

RUN = {"scenario_id": "demo", "modules": ["alpha"]}


async def test_added_changed_and_removed_modules_are_told_and_take_effect(start_service: StartService, tmp_path: Path) -> None:
    file = tmp_path / "modules.yaml"
    async with start_service(ScriptedModule(), ScriptedModule("beta"), ScriptedModule("gamma")) as ops:
        text = modules_yaml(["alpha", "gamma", "delta"], ready_timeout_s=30)
        file.write_text(text.replace("http://gamma.test", "http://gamma.test\n    timeout_s: 5"))
        is_current = (await ops.get("/modules")).json()["modules_file"]["is_current"]
        answer = await ops.post("/modules/reload")
        listed = (await ops.get("/modules")).json()
        refused = await ops.post("/plan_and_execute", json={**RUN, "modules": ["beta"]})
    assert answer.json() == {
        "added": ["delta"],
        "removed": ["beta"],
        "changed": [{"name": "gamma", "keys": ["timeout_s"]}],
        "unchanged": 1,
    }
    assert [module["name"] for module in listed["modules"]] == ["alpha", "gamma", "delta"]
    assert (is_current, listed["modules_file"]["is_current"], refused.status_code) == (False, True, 422)


async def test_log_tells_of_a_file_that_took_effect_and_of_one_that_did_not(
    start_service: StartService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with start_service(ScriptedModule()) as ops:
        (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha", "beta"]))
        await ops.post("/modules/reload")
        (tmp_path / "modules.yaml").write_text("modules:\n  alpha:\n    ulr: http://a\n")
        await ops.post("/modules/reload")
    good, bad = (line for line in "".join(capsys.readouterr()).splitlines() if "modules." in line and "eloaded" in line)
    assert ("info" in good, "modules.reloaded" in good, "beta" in good) == (True, True, True)
    assert ("error" in bad, "modules.not_reloaded" in bad, "modules.yaml:3" in bad) == (True, True, True)


async def test_wrong_file_is_refused_with_its_line_and_changes_nothing(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule()) as ops:
        (tmp_path / "modules.yaml").write_text("modules:\n  alpha:\n    ulr: http://a\n")
        answer = await ops.post("/modules/reload")
        run = await ops.post("/plan_and_execute", json=RUN)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (409, "urn:openpolicystack:problem:bad-modules-file")
    assert "modules.yaml:3: unknown key 'ulr'; did you mean 'url'?" in problem["detail"]
    assert (run.status_code, run.json()["status"]) == (200, "completed")


async def test_pipe_in_the_place_of_the_file_is_refused_and_held_open_by_nobody(
    start_service: StartService, tmp_path: Path
) -> None:
    file = tmp_path / "modules.yaml"
    async with start_service(ScriptedModule()) as ops:
        file.unlink()
        os.mkfifo(file)
        answer = await ops.post("/modules/reload")
        listed = (await ops.get("/modules")).json()
        file.unlink()
        file.write_text(modules_yaml(["alpha", "beta"]))
        after = await ops.post("/modules/reload")
    assert (answer.status_code, "it is not a plain file" in answer.json()["detail"]) == (409, True)
    assert listed["modules_file"]["is_current"] is False
    assert after.json()["added"] == ["beta"]


async def test_run_and_sweep_under_way_keep_the_modules_they_began_with(start_service: StartService, tmp_path: Path) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate]), ScriptedModule("beta")) as ops:
        run_id = (await ops.post("/plan_and_execute", json=RUN, headers={"Prefer": "respond-async"})).json()["run_id"]
        swept = {**RUN, "sweep": {"seeds": 3, "concurrency": 1}}
        sweep_id = (await ops.post("/sweeps", json=swept)).json()["sweep_id"]
        await gate.asked.wait()
        (tmp_path / "modules.yaml").write_text(modules_yaml(["beta"]))
        assert (await ops.post("/modules/reload")).json()["removed"] == ["alpha"]
        gate.opened.set()
        while (sweep := (await ops.get(f"/sweeps/{sweep_id}")).json())["status"] == "running":
            pass
        while (run := (await ops.get(f"/runs/{run_id}")).json())["status"] == "running":
            pass
    assert (run["status"], sweep["status"], sweep["points"]["completed"]) == ("completed", "completed", 3)


async def test_page_says_that_the_file_was_changed_and_reads_it_again(start_service: StartService, tmp_path: Path) -> None:
    as_page = {"Accept": "text/html"}
    async with start_service(ScriptedModule()) as ops:
        before = (await ops.get("/modules", headers=as_page)).text
        (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha", "beta"]))
        changed = (await ops.get("/modules", headers=as_page)).text
        host = {"Host": "localhost", "Origin": "http://localhost"}
        read = await ops.post("/modules/reload", headers={**as_page, **host})
        after = (await ops.get("/modules", headers=as_page)).text
    assert (
        "The file is not as it was" in before,
        "The file is not as it was" in changed,
        "The file is not as it was" in after,
    ) == (False, True, False)
    assert (read.status_code, read.headers["Location"], "/modules/beta" in after) == (303, "/modules", True)


@pytest.mark.slow
def test_signal_and_command_read_the_file_again(tmp_path: Path) -> None:
    file = tmp_path / "modules.yaml"
    file.write_text(modules_yaml(["alpha"]))
    with service(tmp_path, "ops", "serve", "--port", "0") as (process, url):
        file.write_text(modules_yaml(["alpha", "beta"]))
        process.send_signal(signal.SIGHUP)
        while [module["name"] for module in HTTP.get(f"{url}/modules").json()["modules"]] != ["alpha", "beta"]:
            assert process.poll() is None
        file.write_text(modules_yaml(["beta"]))
        with started(tmp_path, "ops", "modules", "reload", "--url", url) as asked:
            assert json.loads(asked.communicate()[0])["removed"] == ["alpha"]
        file.write_text("modules: []")
        with started(tmp_path, "ops", "modules", "reload", "--url", url) as asked:
            _, said = asked.communicate()
        assert (asked.returncode, "modules.yaml:1: must be a mapping" in said) == (2, True)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


@pytest.mark.slow
def test_terminal_that_is_closed_stops_the_service(tmp_path: Path) -> None:
    (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha"]))
    # The service leads the session of a terminal, which hangs up when the other side of it is closed.
    program = (
        "import fcntl, os, pty, signal, sys, termios\n"
        "pid, terminal = pty.fork()\n"
        "if pid == 0:\n"
        f"    os.execv({command('ops')!r}, ['ops', 'serve', '--port', '0'])\n"
        "shown = b''\n"
        "while b'service.listening' not in shown:\n"
        "    shown += os.read(terminal, 65536)\n"
        "os.kill(pid, signal.SIGHUP)\n"
        "while b'modules.reloaded' not in shown:\n"
        "    shown += os.read(terminal, 65536)\n"
        "os.close(terminal)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    with started(tmp_path, "python", "-c", program, OPS_LOG_FORMAT="json") as process:
        output = process.communicate()
    assert (process.returncode, output) == (0, ("", ""))


@pytest.mark.slow
def test_all_workers_have_what_one_of_them_was_told_to_read(tmp_path: Path) -> None:
    file = tmp_path / "modules.yaml"
    with held_module() as module, workers(tmp_path, module) as both:
        here, there = both.client(0), both.client(1)
        file.write_text(file.read_text() + "  beta:\n    url: http://beta.test\n")
        assert here.post("/modules/reload").json()["added"] == ["beta"]
        assert _names(there) == ["alpha", "beta"]
        file.write_text(file.read_text() + "  gamma:\n    url: http://gamma.test\n")
        both.process.send_signal(signal.SIGHUP)
        both.until("modules.reloaded")
        assert both.until("modules.reloaded")["added"] == ["gamma"]
        assert (_names(here), _names(there)) == (["alpha", "beta", "gamma"],) * 2
        file.write_text("modules: []")
        assert there.post("/modules/reload").status_code == 409
        # A worker that takes the place of another one begins with what is in effect, and not with what the file says now.
        _replace_first(both)
        assert _names(both.client(0)) == ["alpha", "beta", "gamma"]


@pytest.mark.slow
def test_workers_that_ask_for_keys_tell_each_other_all_the_same(tmp_path: Path) -> None:
    file, admin = tmp_path / "modules.yaml", bearer(make_key(tmp_path / "keys.json", "anna", "admin"))
    with held_module() as module, workers(tmp_path, module, OPS_API_KEYS_FILE="keys.json") as both:
        file.write_text(file.read_text() + "  beta:\n    url: http://beta.test\n")
        assert both.client(0).post("/modules/reload").status_code == 401
        assert both.client(0).post("/modules/reload", headers=admin).json()["added"] == ["beta"]
        there = both.client(1)
        there.headers.update(admin)
        assert _names(there) == ["alpha", "beta"]


def _names(client: httpx2.Client) -> list[str]:
    return [module["name"] for module in client.get("/modules").json()["modules"]]


def _replace_first(service: Workers) -> None:
    os.kill(service.pids[0], signal.SIGKILL)
    service.pids[0] = service.until("worker.started")["pid"]
