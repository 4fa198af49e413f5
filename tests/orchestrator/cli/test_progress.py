"""How `ops run` waits for a run, and what it says about a step that waits."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from scripted_module import Gate, ScriptedModule, modules_yaml, transport
from served_app import served
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ops_orchestrator.cli.progress import run_ended, waiting_note
from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.service.app import create_app
from ops_orchestrator.settings import Settings

NOW = datetime(2026, 1, 9, 12, 35, 8, tzinfo=UTC)


def line(event: str, step: str = "alpha", **fields: Any) -> bytes:
    return json.dumps({"timestamp": "2026-01-09T12:34:56.000Z", "event": event, "step": step, **fields}).encode() + b"\n"


STARTED = line("step.started", url="http://alpha.test", ready_timeout_s=30.0)


def test_module_that_is_not_ready_is_named_with_the_time_left() -> None:
    assert waiting_note(STARTED, "alpha", NOW) == "waiting for http://alpha.test to become ready, 12 s of 30 s"


@pytest.mark.parametrize(
    "last", [b"", line("module.ready"), line("step.started", step="beta", url="http://beta.test"), STARTED[:40], b"[]"]
)
def test_nothing_is_said_of_a_step_that_does_not_wait(last: bytes) -> None:
    assert waiting_note(last, "alpha", NOW) == ""


@pytest.mark.parametrize("has_stream", [True, False])
async def test_run_is_waited_for_also_where_the_service_has_no_stream(tmp_path: Path, has_stream: bool) -> None:
    (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha"]))
    settings = Settings(modules_file=tmp_path / "modules.yaml", runs_dir=tmp_path / "runs", _env_file=None)
    gate = Gate()
    app = create_app(settings, transport(ScriptedModule(answers=[gate])))

    async def service(scope: Scope, receive: Receive, send: Send) -> None:
        is_stream = scope.get("path", "").endswith("/events")
        if is_stream:
            # Not before: a run that is over is not waited for.
            gate.opened.set()
        await (Response(status_code=404) if is_stream and not has_stream else app)(scope, receive, send)

    async with served(service) as url, ServiceClient.at(url, None) as client:
        started = await client.start(json.dumps({"scenario_id": "demo", "modules": ["alpha"]}).encode())
        record = await run_ended(client, started["run_id"], visibly=False)
    assert record["status"] == "completed"
