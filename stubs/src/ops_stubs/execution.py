"""How a stub answers a call: by executing the action."""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import anyio
from starlette.responses import Response

from ops_contract import CONTRACT_VERSION, Artifact, ExecuteRequest, Health, ReadRequest, SuccessEnvelope, canonical_json
from ops_stubs.delay import delay_of
from ops_stubs.module import File, Stub
from ops_stubs.responses import json_response
from ops_stubs.work import Work

__all__ = ["Executed", "Execution", "health_of"]

_PROFILES: Final = ("artifacts", "deterministic", "idempotent")


@dataclass(frozen=True)
class Executed:
    """A success: the envelope without volatile values, the files that are fetched by `href`, and what they cost."""

    envelope: Mapping[str, Any]
    files: Mapping[str, File]
    size_bytes: int
    duration_ms: float
    is_success: bool = True

    def response(self, trace: Mapping[str, Any]) -> Response:
        """The envelope, with volatile values in `meta`."""
        return json_response({**self.envelope, "meta": {"duration_ms": self.duration_ms, **trace}})


class Execution:
    """Answers calls with the results of a stub's actions; a delayed call joins the work after its `sleep`."""

    def __init__(self, stub: Stub, work: Work | None = None, sleep: Callable[[float], Awaitable[None]] = anyio.sleep) -> None:
        self._stub = stub
        self._work = Work() if work is None else work
        self._sleep = sleep
        self.health = health_of(stub)

    async def answer(self, read: ReadRequest) -> Executed:
        """Execute the requested action. Raises InputError, RefusalError."""
        delay_s, undelayed = delay_of(read.request)
        await self._sleep(delay_s)
        return await self._work.run(partial(_execute, self._stub, undelayed))


def health_of(stub: Stub) -> Health:
    """The health of a stub, which is served only after its warm-up and so is always ready."""
    return Health(
        status="ok",
        module=stub.name,
        version=stub.version,
        contract_versions=(CONTRACT_VERSION,),
        profiles=_PROFILES,
        actions=tuple(stub.actions),
    )


def _execute(stub: Stub, call: ExecuteRequest) -> Executed:
    started = time.perf_counter()
    result = stub.actions[call.action](call)
    # Raises for outputs with a number that canonical JSON cannot carry, before they are answered as a success.
    canonical_json(result.outputs)
    by_href = {file.name: file for file in result.artifacts if file.by_href}
    envelope = SuccessEnvelope(
        status="success",
        module=stub.name,
        version=stub.version,
        contract_version=CONTRACT_VERSION,
        outputs=result.outputs,
        artifacts=tuple(_artifact(file, call) for file in result.artifacts),
        evidence=result.evidence,
        warnings=result.warnings,
        meta={},
    ).model_dump(mode="json", exclude_unset=True)
    size = len(json.dumps(envelope)) + sum(len(file.content) for file in by_href.values())
    return Executed(envelope, by_href, size, round((time.perf_counter() - started) * 1000, 3))


def _artifact(file: File, call: ExecuteRequest) -> Artifact:
    href = f"artifacts/{call.run_id}/{call.step_id}/{quote(file.name)}" if file.by_href else None
    return Artifact.of(file.name, file.media_type, file.content, href=href, title=file.title, description=file.description)
