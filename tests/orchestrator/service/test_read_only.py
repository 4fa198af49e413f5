"""A service with OPS_READ_ONLY: all that is stored can be read, also on a disk that cannot be written, and nothing changes."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import enumerate as enumerate_threads

import pytest
from local_service import HTTP, service
from scripted_module import ScriptedModule, StartService, modules_yaml

RUN = {"scenario_id": "demo", "modules": ["alpha"]}
SWEEP = {**RUN, "sweep": {"seeds": 2}}
AS_PAGE = {"Accept": "text/html"}
CHANGES = (
    ("POST", "/plan_and_execute"),
    ("POST", "/runs/{run}/cancel"),
    ("POST", "/runs/{run}/resume"),
    ("POST", "/runs/{run}/reproduce"),
    ("POST", "/sweeps"),
    ("POST", "/sweeps/{sweep}/resume"),
    ("DELETE", "/runs/{run}"),
)
READ = (
    "/runs",
    "/runs/{run}",
    "/runs/{run}/results",
    "/runs/{run}/logs",
    "/runs/{run}/events",
    "/runs/{run}/verification",
    "/runs/{run}/archive",
    "/runs/{run}/report.html",
    "/runs/{run}/evidence",
    "/runs/{run}/diff/{run}",
    "/sweeps",
    "/sweeps/{sweep}",
    "/sweeps/{sweep}/table.csv",
    "/modules",
    "/ready",
)
PAGES = ("/", "/runs/{run}", "/sweeps", "/sweeps/{sweep}", "/compare?run={run}", "/modules")


async def _stored(start_service: StartService) -> dict[str, str]:
    """A run that failed and a sweep, by what stands for them above."""
    async with start_service(ScriptedModule(), ScriptedModule("beta", answers=[ConnectionError("gone")])) as ops:
        run = (await ops.post("/plan_and_execute", json={**RUN, "modules": ["alpha", "beta"]})).json()["run_id"]
        sweep = (await ops.post("/sweeps", json=SWEEP, headers={"Prefer": "wait=600"})).json()["sweep_id"]
    return {"run": run, "sweep": sweep}


def _files(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in folder.rglob("*")}


async def test_everything_is_read_and_nothing_is_changed(start_service: StartService, tmp_path: Path) -> None:
    ids = await _stored(start_service)
    before = _files(tmp_path / "runs")
    async with start_service(ScriptedModule(), read_only=True) as ops:
        refused = {(method, path): await ops.request(method, path.format(**ids), json=RUN) for method, path in CHANGES}
        read = {path: (await ops.get(path.format(**ids))).status_code for path in READ}
        pages = {path: await ops.get(path.format(**ids), headers=AS_PAGE) for path in PAGES}
        new = await ops.get("/runs/new", headers=AS_PAGE)
        ready = (await ops.get("/ready")).json()
    assert {answer.status_code for answer in refused.values()} == {403}
    assert {answer.json()["type"] for answer in refused.values()} == {"urn:openpolicystack:problem:read-only"}
    assert {path: status for path, status in read.items() if status != 200} == {}
    assert (ready["status"], ready["read_only"], new.status_code) == ("ready", True, 403)
    for path, page in pages.items():
        forms = [part.partition(">")[0] for part in page.text.split("<form ")[1:] if 'method="post"' in part.partition(">")[0]]
        assert page.status_code == 200
        assert ("read-only ·" in page.text, [form for form in forms if "/modules/reload" not in form]) == (True, []), path
    assert _files(tmp_path / "runs") == before


async def test_form_is_refused_with_a_page(start_service: StartService) -> None:
    ids = await _stored(start_service)
    async with start_service(ScriptedModule(), read_only=True) as ops:
        sent = await ops.post(f"/runs/{ids['run']}/resume", headers={**AS_PAGE, "Host": "localhost"})
    assert (sent.status_code, "The service only reads" in sent.text) == (403, True)


async def test_run_that_a_service_was_killed_in_stays_as_it_is(start_service: StartService, tmp_path: Path) -> None:
    ids = await _stored(start_service)
    folder = tmp_path / "runs" / ids["run"]
    record = json.loads((folder / "run.json").read_bytes())
    left = {**record, "status": "running", "finished_at": None}
    (folder / "run.json").write_text(json.dumps(left))
    (folder / "manifest-sha256.txt").unlink()
    async with start_service(ScriptedModule(), read_only=True):
        pass
    assert json.loads((folder / "run.json").read_bytes())["status"] == "running"


async def test_no_old_run_is_deleted(start_service: StartService) -> None:
    await _stored(start_service)
    async with start_service(ScriptedModule(), read_only=True, retention_days=1):
        assert "run-retention" not in {thread.name for thread in enumerate_threads()}


async def test_modules_are_read_again_since_that_changes_nothing_stored(start_service: StartService, tmp_path: Path) -> None:
    await _stored(start_service)
    async with start_service(ScriptedModule(), read_only=True) as ops:
        (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha", "gamma"]))
        answer = await ops.post("/modules/reload")
    assert (answer.status_code, answer.json()["added"]) == (200, ["gamma"])


@pytest.mark.slow
def test_store_is_a_read_only_mount_on_which_another_service_writes(tmp_path: Path) -> None:
    with service(tmp_path, "ops-stubs", "serve", "--port", "0") as (_, stubs):
        (tmp_path / "modules.yaml").write_text(
            modules_yaml(["monitor"], ready_timeout_s=60).replace("http://monitor.test", f"{stubs}/monitor")
        )
        run = {"scenario_id": "demo", "modules": ["monitor"]}
        with service(tmp_path, "ops", "serve", "--port", "0") as (_, writer):
            first = HTTP.post(f"{writer}/plan_and_execute", json=run).json()["run_id"]
            with _read_only_mount(tmp_path / "runs", tmp_path / "seen") as seen:
                variables = {"OPS_READ_ONLY": "yes", "OPS_RUNS_DIR": str(seen), "OPS_WORKERS": "2"}
                with service(tmp_path, "ops", "serve", "--port", "0", **variables) as (_, reader):
                    assert HTTP.get(f"{reader}/runs/{first}/verification").json()["intact"] is True
                    second = HTTP.post(f"{writer}/plan_and_execute", json=run).json()["run_id"]
                    while second not in [found["run_id"] for found in HTTP.get(f"{reader}/runs").json()["runs"]]:
                        pass
                    assert HTTP.post(f"{reader}/plan_and_execute", json=run).status_code == 403


@contextmanager
def _read_only_mount(folder: Path, seen: Path) -> Iterator[Path]:
    """The folder at another place, where nobody can write, not even root. Skipped where nothing can be mounted."""
    seen.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or mount is None or umount is None:
        pytest.skip("a folder can be mounted by root only, with mount")
    if subprocess.run([mount, "--bind", folder, seen], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run([mount, "-o", "remount,ro,bind", seen], check=True)
        yield seen
    finally:
        subprocess.run([umount, "--lazy", seen], check=True)
