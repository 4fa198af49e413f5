"""Run folders that the real orchestrator leaves, in this process, and copies of them in which something is changed."""

import asyncio
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI
from local_service import MODULES, ROOT
from module_transport import Httpx2Transport

from ops_contract import sha256_hex
from ops_orchestrator.modules.transport import Transport
from ops_orchestrator.service.app import create_app
from ops_orchestrator.settings import Settings
from ops_stubs.app import create_all

EXAMPLE = ROOT / "examples" / "plan_and_execute.request.json"
SIMULATOR = "1-policy-simulator"


def scenario(modules: list[Any] | None = None, *, save_artifacts: bool = True, **inputs: Any) -> dict[str, Any]:
    """The shipped example, with other steps, or other inputs."""
    shipped = json.loads(EXAMPLE.read_bytes())
    options = {**shipped["run_options"], "save_artifacts": save_artifacts}
    changed = {"inputs": {**shipped["inputs"], **inputs}, "run_options": options}
    return {**shipped, **changed, "modules": modules or shipped["modules"]}


def run(home: Path, asked: dict[str, Any], addresses: Mapping[str, Any] | None = None, app: FastAPI | None = None) -> Path:
    """Run `asked` and return the run's folder in `home`.

    Modules are at `addresses`, or else the stubs in this process; with an `app`, that one answers for all addresses.
    """
    entries = addresses or {name: {"url": f"http://stubs/{name}"} for name in MODULES}
    home.mkdir(exist_ok=True)
    (home / "modules.yaml").write_text(json.dumps({"defaults": {"retries": 0, "ready_timeout_s": 5}, "modules": dict(entries)}))
    settings = Settings(modules_file=home / "modules.yaml", runs_dir=home / "runs", _env_file=None)
    behind = None if addresses and app is None else Httpx2Transport(httpx2.ASGITransport(app or create_all()))
    answer = asyncio.run(_answer(settings, behind, asked))
    return home / "runs" / str(answer["run_id"])


async def _answer(settings: Settings, behind: Transport | None, asked: dict[str, Any]) -> dict[str, Any]:
    app = create_app(settings, behind)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ops.localhost") as client,
    ):
        answer: dict[str, Any] = (await client.post("/plan_and_execute", json=asked)).json()
        return answer


def document(folder: Path, name: str = "run.json") -> dict[str, Any]:
    """A JSON document of a run folder."""
    read: dict[str, Any] = json.loads((folder / name).read_bytes())
    return read


def sent(folder: Path, step: str = SIMULATOR) -> dict[str, Any]:
    """What the module was asked in a step."""
    return document(folder, f"steps/{step}/request.json")


def received(folder: Path, step: str = SIMULATOR) -> bytes:
    """What the module answered in a step."""
    return (folder / "steps" / step / "response.json").read_bytes()


def merged(body: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """`body` with `change` merged over it."""
    inner = {key: merged(body[key], value) for key, value in change.items() if key in body and isinstance(value, dict)}
    return {**body, **change, **inner}


def copy(folder: Path, to: Path) -> Path:
    """A copy of a run folder in the folder `to`, to be changed."""
    return Path(shutil.copytree(folder, to / folder.name))


def replace(folder: Path, step: str, file: str, content: bytes) -> None:
    """Put `content` in the place of the `request` or the `response` of a step, as if it had been recorded."""
    (folder / "steps" / step / f"{file}.json").write_bytes(content)
    record = document(folder)
    for each in record["steps"]:
        if f"{each['step']}-{each['id']}" == step:
            each["exchange"][f"{file}_sha256"] = sha256_hex(content)
    (folder / "run.json").write_text(json.dumps(record))
