"""What a good engineer writes in a day for the same task: FastAPI, pydantic models, aiohttp, and a folder per run.

It checks what the models check, and the size and hash of each artifact. A run is answered when its folder is on disk; runs that
end together share one sync. It has no retries, no readiness, no recovery after a crash, no list of runs, and no bounds.
"""

import asyncio
import base64
import hashlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp
from fastapi import FastAPI, HTTPException
from group_commit import GroupCommit
from pydantic import BaseModel, Field

RUNS: Final = Path(os.environ["PLAIN_RUNS_DIR"])
MODULES_URL: Final = os.environ["PLAIN_MODULES_URL"]


class Scenario(BaseModel):
    """What a caller asks for."""

    scenario_id: str
    modules: list[str]
    inputs: dict[str, Any] = Field(default_factory=dict)


class Artifact(BaseModel):
    """A file that a module sends inline."""

    name: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    media_type: str
    size_bytes: int
    sha256: str
    text: str | None = None
    data: str | None = None

    def content(self) -> bytes:
        """The bytes, if they are what was declared."""
        content = base64.b64decode(self.data, validate=True) if self.data is not None else (self.text or "").encode()
        if len(content) != self.size_bytes or hashlib.sha256(content).hexdigest() != self.sha256:
            raise HTTPException(502, f"artifact {self.name} is damaged")
        return content


class Envelope(BaseModel):
    """The answer of a module."""

    status: Literal["success"]
    module: str
    version: str
    outputs: dict[str, Any]
    artifacts: list[Artifact] = []
    evidence: list[dict[str, Any]] = []
    warnings: list[str] = []


class Run(BaseModel):
    """A run as it is kept and answered."""

    run_id: str
    status: Literal["completed"]
    plan: list[dict[str, Any]]
    results: dict[str, dict[str, Any]]


class RunLog:
    """The log lines of one run, written when it ends."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self.lines: list[str] = []

    def add(self, event: str, **fields: Any) -> None:
        """Add a line."""
        line = {"seq": len(self.lines) + 1, "timestamp": datetime.now(UTC).isoformat(), "level": "info", "run_id": self._run_id}
        self.lines.append(json.dumps({**line, "event": event, **fields}))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open what all runs share."""
    app.state.commit = GroupCommit(RUNS)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as app.state.modules:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/plan_and_execute")
async def plan_and_execute(scenario: Scenario) -> Run:
    """Make one run."""
    run_id = f"run_{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}_{secrets.token_hex(4)}"
    log = RunLog(run_id)
    log.add("run.started", scenario_id=scenario.scenario_id)
    answers: dict[str, Envelope] = {}
    for module in scenario.modules:
        answers[module] = await execute(module, run_id, scenario, answers, log)
    log.add("run.ended", status="completed")
    results = {
        step: {**answer.outputs, "artifacts": [file.name for file in answer.artifacts]} for step, answer in answers.items()
    }
    plan = [{"step": number, "module": step, "action": "execute"} for number, step in enumerate(answers, 1)]
    run = Run(run_id=run_id, status="completed", plan=plan, results=results)
    await asyncio.to_thread(write_folder, RUNS / run_id, scenario, run, answers, log)
    await app.state.commit.durable()
    return run


async def execute(module: str, run_id: str, scenario: Scenario, upstream: Mapping[str, Envelope], log: RunLog) -> Envelope:
    """Call one module."""
    log.add("step.started", step=module)
    call = {
        "contract_version": "1.0",
        "run_id": run_id,
        "step_id": module,
        "scenario_id": scenario.scenario_id,
        "action": "execute",
        "inputs": scenario.inputs,
        "upstream": {step: {"module": step, "outputs": answer.outputs} for step, answer in upstream.items()},
        "options": {"seed": 0},
    }
    url = f"{MODULES_URL}/{module}/execute"
    log.add("request.sent", step=module, url=url)
    async with app.state.modules.post(url, json=call) as response:
        body = await response.read()
        log.add("response.received", step=module, status=response.status, size_bytes=len(body))
        if response.status != 200:
            raise HTTPException(502, f"{module} answered {response.status}")
    envelope = Envelope.model_validate_json(body)
    log.add("answer.checked", step=module, version=envelope.version)
    log.add("step.completed", step=module, artifacts=len(envelope.artifacts))
    return envelope


def write_folder(folder: Path, scenario: Scenario, run: Run, answers: Mapping[str, Envelope], log: RunLog) -> None:
    """Write request, record, results, log and artifacts."""
    folder.mkdir()
    for step, answer in answers.items():
        files = folder / "artifacts" / step
        files.mkdir(parents=True)
        for artifact in answer.artifacts:
            (files / artifact.name).write_bytes(artifact.content())
    (folder / "request.json").write_text(scenario.model_dump_json())
    (folder / "run.json").write_text(run.model_dump_json())
    kept = {step: {"outputs": answer.outputs, "evidence": answer.evidence} for step, answer in answers.items()}
    (folder / "results.json").write_text(json.dumps(kept))
    (folder / "logs.jsonl").write_text("".join(f"{line}\n" for line in log.lines))
