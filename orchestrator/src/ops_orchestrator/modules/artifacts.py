"""Receives the bytes of a step's artifacts, wherever they are, and checks them against what its module declares."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from ops_contract import masked_url
from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import RETRYABLE_STATUS, Request
from ops_orchestrator.modules.adapters import shared_volume
from ops_orchestrator.modules.allowance import Allowance, ByteLimit
from ops_orchestrator.modules.answer import ArtifactSource, InlineFile, ReceivedArtifact, RemoteFile, SharedFile
from ops_orchestrator.modules.call import Call
from ops_orchestrator.modules.call_headers import call_headers
from ops_orchestrator.modules.client import ModuleClient, chunks_of
from ops_orchestrator.modules.contract_answer import check_content
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.staging import StagedFile, staged_file
from ops_orchestrator.modules.transport import Response
from ops_orchestrator.modules.uninterrupted import to_its_end
from ops_orchestrator.off_loop import off_loop_if_large

# A thread for each chunk of the network, of 32 KiB at most, takes longer than writing it.
_PIECE_BYTES: Final = 256 * 1024


async def receive_all(
    sources: Sequence[ArtifactSource], call: Call, client: ModuleClient, staging: Path | None
) -> tuple[ReceivedArtifact, ...]:
    """The artifacts of an answer, in its order; with a `staging` of None they are checked and dropped.

    What came with the answer stays in memory, what is fetched goes into new files in the folder `staging`.
    Raises StepError, among them that of more artifacts or bytes than the client's limits allow. Unless all are received,
    whatever the reason, no file is left.
    """
    allowance = Allowance.of(call, client.limits)
    allowance.check(sources)
    inline = [source for source in sources if isinstance(source, InlineFile)]
    size = sum(len(file.content) for file in inline)
    await off_loop_if_large(lambda: [file.ref for file in inline], size)
    received: list[ReceivedArtifact] = []
    try:
        for source in sources:
            if isinstance(source, InlineFile):
                received.append(ReceivedArtifact(source.ref, source.content if staging else None, source.caption))
            else:
                received.append(await receive(source, call, client, staging, allowance.limit(size)))
                size += received[-1].ref.size_bytes
    except BaseException:
        # Files of a failed attempt are of no use to the next one, and may be large.
        await to_its_end(asyncio.to_thread(_discard, received))
        raise
    return tuple(received)


async def receive(
    source: RemoteFile | SharedFile, call: Call, client: ModuleClient, staging: Path | None, limit: ByteLimit
) -> ReceivedArtifact:
    """The artifact, whose bytes are not in the answer and match what its module declares. Raises StepError.

    They are streamed into a new file in the folder `staging`; with None they are checked and dropped.
    """
    module = call.module
    if client.take_artifact is not None:
        return await client.take_artifact(source, module, staging, limit)
    if isinstance(source, SharedFile):
        return await shared_volume.take(source, module.name, staging, limit)
    async with staged_file(staging) as target:
        await _fetch(source, call, client, target)
        check_content(source.ref, target.size_bytes, target.sha256, module)
    return ReceivedArtifact(source.ref, target.path, source.caption)


def _discard(artifacts: Iterable[ReceivedArtifact]) -> None:
    for artifact in artifacts:
        if isinstance(artifact.content, Path):
            artifact.content.unlink(missing_ok=True)


async def _fetch(file: RemoteFile, call: Call, client: ModuleClient, target: StagedFile) -> None:
    piece, size, module = bytearray(), 0, call.module
    # Where requests are balanced by the run, they lead to the replica that keeps the file.
    headers = {"Accept": "*/*", **call_headers(call.run_id, call.step_id)}
    request = Request(method="GET", path=file.href, headers=headers)
    async with client.open(module, request, client.limits.artifact_bytes) as response:
        _check_found(module, file, response)
        async for chunk in chunks_of(module, response):
            piece += chunk
            size += len(chunk)
            # The limits of step and run were checked with the declared size.
            if size > file.ref.size_bytes:
                message = f"sends more than the {file.ref.size_bytes} bytes that it declares for the artifact {file.ref.name!r}"
                raise StepError.of(module.name, "INVALID_ANSWER", message, requirement="OPS-ART-004")
            if len(piece) >= _PIECE_BYTES:
                await asyncio.to_thread(target.write, piece)
                piece = bytearray()
    await asyncio.to_thread(target.complete, piece)


def _check_found(module: Module, file: RemoteFile, response: Response) -> None:
    if response.status != 200:
        raise StepError.of(
            module.name,
            "INVALID_ANSWER",
            f"answers {response.status} for the artifact {file.ref.name!r} at {masked_url(response.url)}",
            retryable=response.status in RETRYABLE_STATUS,
            requirement="OPS-ART-002",
        )
