"""Receives the bytes of a step's artifacts, wherever they are, and checks them against what its module declares."""

import asyncio
import hashlib
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from ops_contract import masked_url
from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import RETRYABLE_STATUS, Request
from ops_orchestrator.modules.adapters import shared_volume
from ops_orchestrator.modules.allowance import Allowance, ByteLimit
from ops_orchestrator.modules.answer import ArtifactSource, InlineFile, ReceivedArtifact, RemoteFile, SharedFile
from ops_orchestrator.modules.call import Call
from ops_orchestrator.modules.client import ModuleClient, chunks_of
from ops_orchestrator.modules.contract_answer import check_content
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.staging import staged_file, unused_path
from ops_orchestrator.modules.transport import Response
from ops_orchestrator.modules.uninterrupted import uninterrupted


async def receive_all(
    sources: Sequence[ArtifactSource], call: Call, client: ModuleClient, staging: Path | None
) -> tuple[ReceivedArtifact, ...]:
    """The artifacts of an answer, in its order, each in a new file in the folder `staging`; None checks and drops them.

    Raises StepError, among them that of more artifacts or bytes than the client's limits allow. Unless all are received,
    whatever the reason, no file is left.
    """
    allowance = Allowance.of(call, client.limits)
    allowance.check(sources)
    inline = {index: source for index, source in enumerate(sources) if isinstance(source, InlineFile)}
    received: dict[int, ReceivedArtifact] = {}
    try:
        if inline:
            received.update(zip(inline, await _staged(tuple(inline.values()), staging), strict=True))
        size = sum(artifact.ref.size_bytes for artifact in received.values())
        for index, source in enumerate(sources):
            if not isinstance(source, InlineFile):
                received[index] = await receive(source, call.module, client, staging, allowance.limit(size))
                size += received[index].ref.size_bytes
    except BaseException:
        # Files of a failed attempt are of no use to the next one, and may be large.
        await asyncio.to_thread(_discard, received.values())
        raise
    return tuple(received[index] for index in range(len(sources)))


async def receive(
    source: RemoteFile | SharedFile, module: Module, client: ModuleClient, staging: Path | None, limit: ByteLimit
) -> ReceivedArtifact:
    """The artifact, whose bytes are not in the answer and match what its module declares. Raises StepError.

    They are streamed into a new file in the folder `staging`; with None they are checked and dropped.
    """
    if isinstance(source, SharedFile):
        return await shared_volume.take(source, module.name, staging, limit)
    async with staged_file(staging) as target:
        await _fetch(source, module, client, target)
    return ReceivedArtifact(source.ref, Path(target.name) if target else None)


async def _staged(files: Sequence[InlineFile], staging: Path | None) -> list[ReceivedArtifact]:
    """The files written in one go: a hop to a thread for each would take longer than writing it."""
    stopped = threading.Event()
    received, cancelled = await uninterrupted(asyncio.to_thread(_write, files, staging, stopped), stopped.set)
    if cancelled:
        await asyncio.to_thread(_discard, received)
        raise asyncio.CancelledError
    return received


def _write(files: Sequence[InlineFile], staging: Path | None, stopped: threading.Event) -> list[ReceivedArtifact]:
    """The files as far as they were written before `stopped`."""
    received: list[ReceivedArtifact] = []
    try:
        for file in files:
            if stopped.is_set():
                break
            path = unused_path(staging) if staging else None
            received.append(ReceivedArtifact(file.ref, path))
            if path is not None:
                path.write_bytes(file.content)
    except BaseException:
        _discard(received)
        raise
    return received


def _discard(artifacts: Iterable[ReceivedArtifact]) -> None:
    for artifact in artifacts:
        if artifact.content is not None:
            artifact.content.unlink(missing_ok=True)


async def _fetch(file: RemoteFile, module: Module, client: ModuleClient, target: IO[bytes] | None) -> None:
    digest, size = hashlib.sha256(), 0
    request = Request(method="GET", path=file.href, headers={"Accept": "*/*"})
    async with client.open(module, request, client.limits.artifact_bytes) as response:
        _check_found(module, file, response)
        async for chunk in chunks_of(module, response):
            digest.update(chunk)
            size += len(chunk)
            # The limits of step and run were checked with the declared size.
            if size > file.ref.size_bytes:
                message = f"sends more than the {file.ref.size_bytes} bytes that it declares for the artifact {file.ref.name!r}"
                raise StepError.of(module.name, "INVALID_ANSWER", message, requirement="OPS-ART-004")
            if target is not None:
                await asyncio.to_thread(target.write, chunk)
    check_content(file.ref, size, digest.hexdigest(), module)


def _check_found(module: Module, file: RemoteFile, response: Response) -> None:
    if response.status != 200:
        raise StepError.of(
            module.name,
            "INVALID_ANSWER",
            f"answers {response.status} for the artifact {file.ref.name!r} at {masked_url(response.url)}",
            retryable=response.status in RETRYABLE_STATUS,
            requirement="OPS-ART-002",
        )
