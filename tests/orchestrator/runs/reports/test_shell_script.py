"""The script of a run, executed by a shell against modules on real sockets."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import recorded_run
from scripted_module import ScriptedModule, StartService, artifact, error_envelope, success
from served_app import served
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from ops_contract import sha256_hex
from ops_orchestrator.runs.reports.shell_script import shell_script
from ops_orchestrator.runs.store.folder_run import FolderRun

NASTY = "'; touch pwned; '$(touch pwned)`touch pwned`\nEND_OF_REQUEST\n\\ \" ${HOME} !\u202e\x7f"


@dataclass
class Listener:
    """A module that writes down what it is sent."""

    url: str = ""
    received: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        target = scope["raw_path"].decode() + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        self.received.append((request.method, target, dict(request.headers), await request.body()))
        await JSONResponse({"score": 1})(scope, receive, send)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    heard = Listener()
    async with served(heard) as heard.url:
        yield heard


async def executed(folder: Path, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The script of the run in `folder`, executed in `home`."""
    await asyncio.to_thread(_write, folder, home)
    # Of the environment of the tests nothing but where the commands are.
    environment = {"PATH": f"{Path(shutil.which('curl') or '').parent}:/usr/bin:/bin", **variables}
    words = ["sh", "run.sh"]
    return await asyncio.to_thread(
        lambda: subprocess.run(words, cwd=home, env=environment, capture_output=True, text=True, check=False)
    )


def _write(folder: Path, home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "run.sh").write_text(shell_script(FolderRun(folder.parent, folder.name)))


async def run_with(start_service: StartService, home: Path, *modules: ScriptedModule, **more: Any) -> Path:
    """The folder of a run over scripted modules."""
    asked = {"scenario_id": "demo", "modules": [module.name for module in modules], **more}
    async with start_service(*modules, options={"retries": 0, "ready_timeout_s": 600}) as service:
        answer = (await service.post("/plan_and_execute", json=asked)).json()
    return home / "runs" / str(answer["run_id"])


async def test_script_calls_the_modules_again_and_gets_the_same(tmp_path: Path, stubs: str) -> None:
    addresses = {name: {"url": f"{stubs}/{name}", "ready_timeout_s": 120} for name in ("policy-simulator", "strategy-agent")}
    folder = await asyncio.to_thread(recorded_run.run, tmp_path, recorded_run.scenario(), addresses)
    ran = await executed(folder, tmp_path / "elsewhere")
    assert ran.returncode == 0, ran.stderr
    answers = tmp_path / "elsewhere" / "answers"
    for number, step in enumerate(addresses, start=1):
        recorded = json.loads(recorded_run.received(folder, f"{number}-{step}"))
        assert json.loads((answers / f"{number}-response.json").read_bytes())["outputs"] == recorded["outputs"]
        sent = json.loads((answers / f"{number}-request.json").read_bytes())
        assert sent | {"run_id": folder.name} == recorded_run.sent(folder, f"{number}-{step}")
        assert sent["run_id"] != folder.name
    results = recorded_run.document(folder, "results.json")["steps"]["policy-simulator"]["artifacts"]
    plot = next(position for position, each in enumerate(results, start=1) if each["name"] == "plot.png")
    assert sha256_hex((answers / f"1-artifact-{plot}").read_bytes()) == results[plot - 1]["sha256"]


async def test_script_sends_whatever_the_run_holds_and_executes_none_of_it(
    start_service: StartService, tmp_path: Path, listener: Listener
) -> None:
    folder = await run_with(start_service, tmp_path, ScriptedModule(), inputs={"text": NASTY, NASTY: 1})
    home = tmp_path / "home"
    ran = await executed(folder, home, ALPHA_URL=listener.url)
    assert (ran.returncode, [path.name for path in home.rglob("pwned")]) == (0, [])
    ((method, target, _, body),) = listener.received
    assert (method, target) == ("POST", "/execute")
    assert json.loads(body)["inputs"] == {"text": NASTY, NASTY: 1}


SCORE = {
    "method": "PUT",
    "path": "/score/{inputs.text}",
    "query": {"run": "run_id", "odd": "inputs.text"},
    "headers": {"X-Odd": "inputs.header", "X-Run": "run_id", "Authorization": '"Bearer ${TOKEN}"'},
    "body": '{ "a": inputs.text, "run": [run_id, run_id] }',
}


async def test_script_of_an_adapted_module_asks_for_the_secret_and_sends_the_mapped_request(
    tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "s3cr3t-token")
    beta = {"url": listener.url, "adapter": {"health": "none", "actions": {"score": SCORE}}}
    inputs = {"text": NASTY, "header": 'a\'b $(touch pwned) "c"'}
    asked = {"scenario_id": "demo", "modules": ["beta"], "inputs": inputs}
    folder = await asyncio.to_thread(recorded_run.run, tmp_path, asked, {"beta": beta})
    (then,), home = listener.received, tmp_path / "home"
    refused = await executed(folder, home)
    assert (refused.returncode, len(listener.received)) == (2, 1)
    assert "STEP_1_HEADER_AUTHORIZATION" in refused.stderr
    ran = await executed(folder, home, STEP_1_HEADER_AUTHORIZATION="Bearer other")
    assert (ran.returncode, [path.name for path in home.rglob("pwned")]) == (0, []), ran.stderr
    method, target, headers, body = listener.received[-1]
    run_id = json.loads(body)["run"][0]
    assert run_id not in (folder.name, "")
    assert (method, target) == ("PUT", then[1].replace(folder.name, run_id))
    assert (headers["x-odd"], headers["x-run"], headers["authorization"]) == (inputs["header"], run_id, "Bearer other")
    assert json.loads(body) == {"a": NASTY, "run": [run_id, run_id]}


async def test_script_asks_for_a_request_of_which_the_record_masks_a_secret(
    tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "s3cr3t-token")
    actions = {"score": {"path": "/score", "body": '{ "token": "${TOKEN}", "run": run_id }'}}
    beta = {"url": listener.url, "adapter": {"health": "none", "actions": actions}}
    asked = {"scenario_id": "demo", "modules": ["beta"], "inputs": {}}
    folder = await asyncio.to_thread(recorded_run.run, tmp_path, asked, {"beta": beta})
    refused = await executed(folder, tmp_path / "home")
    assert (refused.returncode, "STEP_1_BODY" in refused.stderr) == (2, True)
    body = tmp_path / "body.json"
    body.write_text((folder / "steps" / "1-beta" / "request.json").read_text().replace("***", "another"))
    await executed(folder, tmp_path / "home", STEP_1_BODY=str(body))
    sent = json.loads(listener.received[-1][3])
    assert (sent["token"], sent["run"] == folder.name) == ("another", False)


async def test_script_reads_a_large_request_from_the_run_folder(
    start_service: StartService, tmp_path: Path, listener: Listener
) -> None:
    folder = await run_with(start_service, tmp_path, ScriptedModule(), inputs={"text": "x" * 100_000})
    refused = await executed(folder, tmp_path / "home", ALPHA_URL=listener.url)
    assert (refused.returncode, f"set RUN_FOLDER: to the folder of {folder.name}" in refused.stderr) == (2, True)
    ran = await executed(folder, tmp_path / "home", ALPHA_URL=listener.url, RUN_FOLDER=str(folder))
    assert (ran.returncode, len(json.loads(listener.received[0][3])["inputs"]["text"])) == (0, 100_000)


async def test_script_keeps_what_earlier_steps_answered(
    start_service: StartService, tmp_path: Path, listener: Listener
) -> None:
    quoting = ScriptedModule()

    async def answer(request: httpx2.Request) -> httpx2.Response:
        return success(outputs={"said": json.loads(request.content)["run_id"]})

    quoting.answers.append(answer)
    folder = await run_with(start_service, tmp_path, quoting, ScriptedModule("beta"))
    await executed(folder, tmp_path / "home", ALPHA_URL=listener.url, BETA_URL=listener.url)
    assert json.loads(listener.received[1][3])["upstream"]["alpha"]["outputs"] == {"said": folder.name}


async def test_script_ends_at_the_first_call_that_fails(start_service: StartService, tmp_path: Path) -> None:
    folder = await run_with(start_service, tmp_path, ScriptedModule())

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse({"why": "no"}, 422)(scope, receive, send)

    async with served(refuse) as url:
        ran = await executed(folder, tmp_path / "home", ALPHA_URL=url)
    assert (ran.returncode, "422" in ran.stderr, "the answers are in" in ran.stderr) == (22, True, False)
    assert json.loads((tmp_path / "home" / "answers" / "1-response.json").read_bytes()) == {"why": "no"}


async def test_script_of_a_failed_run_has_the_calls_that_were_made(start_service: StartService, tmp_path: Path) -> None:
    failing = ScriptedModule(answers=[httpx2.Response(422, json=error_envelope())])
    folder = await run_with(start_service, tmp_path, failing, ScriptedModule("beta"))
    script = shell_script(FolderRun(folder.parent, folder.name))
    assert script.count("curl --fail") == 1
    assert "# Step 2, beta: beta, execute: there is no request of it in the record; it is pending." in script


async def test_script_of_a_folder_from_elsewhere_executes_nothing_of_it(
    start_service: StartService, tmp_path: Path, listener: Listener
) -> None:
    made = await run_with(start_service, tmp_path, ScriptedModule(answers=[success(artifacts=[artifact("a.txt")])]))
    folder = recorded_run.copy(made, tmp_path / "copy")
    record = recorded_run.document(folder)
    record["request"]["scenario_id"] = f"demo\n{NASTY}"
    record["steps"][0] |= {"module": NASTY, "action": NASTY}
    record["steps"][0]["exchange"] |= {"url": f"http://{NASTY}/execute", "method": NASTY}
    (folder / "run.json").write_text(json.dumps(record))
    request = folder / "steps" / "1-alpha" / "request.json"
    request.write_bytes(b"{}\nEND_OF_REQUEST\ntouch pwned\n" + NASTY.encode() + b"\0")
    home = tmp_path / "home"
    script = shell_script(FolderRun(folder.parent, folder.name))
    (variable,) = re.findall(r"\$\{(\w+_URL):-\}", script)
    ran = await executed(folder, home, **{variable: listener.url, "RUN_FOLDER": str(folder)})
    assert ran.returncode != 2, ran.stderr
    assert [path.name for path in home.rglob("pwned")] == []
    assert script.isascii()
