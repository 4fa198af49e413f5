"""`ops doctor`: what it finds wrong, and what it says to do."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from api_keys import make_key
from held_module import HeldModule
from local_service import HTTP, command, service, started
from object_stores import credentials_for
from postgres import Postgres
from scripted_module import modules_yaml

from ops_orchestrator.runs.cluster.database import upgrade

pytestmark = pytest.mark.slow

EVERYWHERE = "0.0.0.0"  # noqa: S104  # what is tested
RUN = {"scenario_id": "demo", "modules": ["alpha"]}


def examined(home: Path, **variables: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code, and the findings by what was looked at; of several, the last."""
    given: Any = {"OPS_PORT": "0", **variables}
    with started(home, "ops", "doctor", "--json", **given) as process:
        out, err = process.communicate()
    assert err == ""
    document: Any = json.loads(out)
    assert document["ok"] == (process.returncode == 0)
    return process.returncode, {finding["check"]: finding for finding in document["findings"]}


def signs(found: dict[str, dict[str, str]], *checks: str) -> list[str]:
    return [found[check]["sign"] for check in checks]


def test_all_is_well_before_the_first_start(home: Path) -> None:
    code, found = examined(home)
    assert code == 0
    assert signs(found, "settings", "access", "store", "module alpha", "clock", "service", "port", "descriptors") == ["ok"] * 8
    assert found["store"]["message"] == "runs is made at the first start"
    assert "contract 1.0" in found["module alpha"]["message"]
    assert not (home / "runs").exists()


def test_bucket_is_looked_at_before_the_first_start(home: Path, moto: str, prefix: str) -> None:
    code, found = examined(home, OPS_RUNS_URL="s3://no-such-bucket", **credentials_for(moto))
    assert (code, signs(found, "bucket", "store")) == (1, ["wrong", "ok"])
    code, found = examined(home, OPS_RUNS_URL=prefix, **credentials_for(moto))
    assert (code, signs(found, "bucket", "store")) == (0, ["ok"] * 2)


def test_running_service_is_seen_with_its_port_and_its_runs(home: Path, held: HeldModule) -> None:
    held.opened.set()
    with service(home, "ops", "serve", "--port", "0") as (process, url):
        HTTP.post(f"{url}/plan_and_execute", json=RUN)
        port = url.rpartition(":")[2]
        code, found = examined(home, OPS_URL=url, OPS_PORT=port)
    assert (code, found["index"]["message"]) == (0, "1 run is listed")
    assert found["service"]["message"].endswith(f"answers at {url}")
    assert found["port"]["message"] == f"127.0.0.1:{port} is in use by process {process.pid} (ops), the orchestrator"


def test_database_is_wrong_until_it_is_there_and_prepared(home: Path, cluster: Postgres) -> None:
    code, found = examined(home, OPS_DATABASE_URL="postgresql://ops@127.0.0.1:1/ops")
    assert (code, found["database"]["sign"]) == (1, "wrong")
    assert "start it, or correct the address" in found["database"]["message"]
    url = cluster.database()
    code, found = examined(home, OPS_DATABASE_URL=url)
    assert (code, found["database"]["remedy"]) == (1, "`ops db upgrade` prepares it")
    upgrade(url)
    code, found = examined(home, OPS_DATABASE_URL=url)
    assert (code, found["database"]["sign"]) == (0, "ok")


def test_port_of_somebody_else_is_wrong_and_names_who_has_it(home: Path, held: HeldModule) -> None:
    code, found = examined(home, OPS_PORT=held.url.rpartition(":")[2])
    assert (code, found["port"]["sign"]) == (1, "wrong")
    assert f"process {os.getpid()} " in found["port"]["message"]


def test_runs_that_were_left_or_are_damaged_are_named(home: Path, held: HeldModule) -> None:
    with service(home, "ops", "serve", "--port", "0") as (process, url):
        left = HTTP.post(f"{url}/plan_and_execute", json=RUN, headers={"Prefer": "respond-async"}).json()["run_id"]
        held.asked.get()
        process.kill()
        process.wait()
    _, found = examined(home)
    assert (found["runs"]["sign"], left in found["runs"]["message"]) == ("warning", True)
    (home / "runs" / left / "run.json").write_text('{"format": 9}')
    with service(home, "ops", "serve", "--port", "0"):
        pass
    before = sorted(path.name for path in (home / "runs").iterdir())
    code, found = examined(home)
    assert (code, found["runs"]["sign"], left in found["runs"]["message"]) == (1, "wrong", True)
    assert before == sorted(path.name for path in (home / "runs").iterdir())


def test_what_is_wrong_is_said_with_what_to_do(home: Path) -> None:
    (home / "runs").write_text("a file")
    (home / "modules.yaml").write_text("modules:\n  alpha:\n    ulr: http://a\n")
    code, found = examined(home, OPS_WORKER="2")
    assert code == 1
    assert signs(found, "settings", "store", "modules.yaml") == ["warning", "wrong", "wrong"]
    assert "did you mean OPS_WORKERS?" in found["settings"]["message"]
    assert found["modules.yaml"]["message"].startswith("modules.yaml:3: unknown key 'ulr'")
    code, found = examined(home, OPS_WORKERS="none")
    assert (code, "OPS_WORKERS" in found["settings"]["message"]) == (1, True)


def test_service_that_would_not_start_or_that_nobody_could_use_is_found(home: Path) -> None:
    keys = home / "keys.json"
    code, found = examined(home, OPS_HOST=EVERYWHERE)
    assert (code, "does not start" in found["access"]["message"]) == (1, True)
    assert found["access"]["remedy"].startswith("make a key with `ops keys add NAME --scope run`")
    assert examined(home, OPS_HOST=EVERYWHERE, OPS_OPEN="yes")[1]["access"]["sign"] == "warning"
    code, found = examined(home, OPS_API_KEYS_FILE="keys.json", OPS_SIGNING_KEY="none.pem")
    assert (code, *signs(found, "access", "signing key")) == (1, "wrong", "wrong")
    assert ("ops keys add" in found["access"]["remedy"], "ops keys make" in found["signing key"]["remedy"]) == (True, True)
    keys.write_text("{")
    assert examined(home, OPS_API_KEYS_FILE="keys.json")[1]["access"]["sign"] == "wrong"
    keys.unlink()
    make_key(keys, "anna", expires_in=timedelta(seconds=-1))
    assert "no key that counts" in examined(home, OPS_API_KEYS_FILE="keys.json")[1]["access"]["message"]
    make_key(keys, "otto")
    code, found = examined(home, OPS_API_KEYS_FILE="keys.json", OPS_HOST=EVERYWHERE)
    assert (code, found["access"]["message"]) == (0, "1 in keys.json, 1 more have expired")


def test_address_that_this_machine_does_not_have_is_found_beside_a_service(home: Path) -> None:
    with service(home, "ops", "serve", "--port", "0") as (_, url):
        code, found = examined(home, OPS_HOST="192.0.2.1", OPS_OPEN="yes", OPS_URL=url, OPS_PORT=url.rpartition(":")[2])
    assert (code, found["port"]["sign"], "OPS_HOST" in found["port"]["remedy"]) == (1, "wrong", True)


def test_module_that_does_not_answer_and_a_clock_that_differs_are_found(home: Path, tmp_path: Path) -> None:
    program = (
        "import http.server, json\n"
        "class Late(http.server.BaseHTTPRequestHandler):\n"
        "    def date_time_string(self, timestamp=None):\n"
        "        return 'Thu, 01 Jan 2037 00:00:00 GMT'\n"
        "    def do_GET(self):\n"
        "        said = {'status': 'ok', 'module': 'alpha', 'version': '1', 'contract_versions': ['1.0']}\n"
        "        body = json.dumps(said).encode()\n"
        "        self.send_response(200)\n"
        "        self.send_header('Content-Type', 'application/json')\n"
        "        self.send_header('Content-Length', str(len(body)))\n"
        "        self.end_headers()\n"
        "        self.wfile.write(body)\n"
        "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Late)\n"
        "print(f'http://127.0.0.1:{server.server_port}', flush=True)\n"
        "server.serve_forever()\n"
    )
    with service(tmp_path, "python", "-c", program) as (_, url):
        text = (
            modules_yaml(["alpha", "beta"]).replace("http://alpha.test", url).replace("http://beta.test", "http://127.0.0.1:9")
        )
        (home / "modules.yaml").write_text(text)
        code, found = examined(home)
    assert (code, *signs(found, "module alpha", "module beta", "clock")) == (1, "ok", "wrong", "warning")
    assert "alpha is" in found["clock"]["message"]
    assert "ahead of it" in found["clock"]["message"]


def test_disk_without_room_and_few_descriptors_are_found(home: Path) -> None:
    (home / "runs").mkdir()
    words = ("sh", "-c", f"ulimit -n 300; exec {command('ops')} doctor --json")
    with started(home, *words, OPS_PORT="0", OPS_MIN_FREE_BYTES=str(2**62)) as process:
        found = {finding["check"]: finding for finding in json.loads(process.communicate()[0])["findings"]}
    assert signs(found, "disk", "descriptors") == ["wrong", "warning"]
    assert "ulimit -n" in found["descriptors"]["remedy"]


def test_index_that_is_damaged_is_only_a_warning(home: Path) -> None:
    (home / "runs").mkdir()
    (home / "runs" / ".index.sqlite3").write_bytes(b"no database" * 100)
    code, found = examined(home)
    assert (code, found["index"]["sign"]) == (0, "warning")
