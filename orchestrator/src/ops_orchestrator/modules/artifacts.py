"""Receives the bytes of a step's artifacts, wherever they are, and checks them against what its module declares."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from ops_contract import ArtifactRef, masked_url, media_type_of
from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import RETRYABLE_STATUS, Request
from ops_orchestrator.modules.adapters import shared_volume
from ops_orchestrator.modules.allowance import Allowance, ByteLimit
from ops_orchestrator.modules.answer import (
    UNKNOWN_TYPE,
    ArtifactSource,
    FetchedFile,
    InlineFile,
    LinkedFile,
    ReceivedArtifact,
    RemoteFile,
    SharedFile,
    guessed_type,
)
from ops_orchestrator.modules.call import Call
from ops_orchestrator.modules.client import ModuleClient, chunks_of
from ops_orchestrator.modules.contract_answer import check_content
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.staging import StagedFile, staged_file
from ops_orchestrator.modules.transport import Response
from ops_orchestrator.modules.uninterrupted import to_its_end
from ops_orchestrator.off_loop import off_loop_if_large

# A thread for each chunk of the network, of 32 KiB at most, takes longer than writing it.
_PIECE_BYTES: Final = 256 * 1024
_PLAIN_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)


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
    source: FetchedFile | SharedFile, call: Call, client: ModuleClient, staging: Path | None, limit: ByteLimit
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
        if isinstance(source, RemoteFile):
            await _fetch(source, call, client, target, source.ref.size_bytes)
            ref = source.ref
            check_content(ref, target.size_bytes, target.sha256, module)
        else:
            media_type = await _fetch(source, call, client, target, limit)
            ref = _linked(source, media_type, target, module)
    return ReceivedArtifact(ref, target.path, source.caption)


def _discard(artifacts: Iterable[ReceivedArtifact]) -> None:
    for artifact in artifacts:
        if isinstance(artifact.content, Path):
            artifact.content.unlink(missing_ok=True)


async def _fetch(file: FetchedFile, call: Call, client: ModuleClient, target: StagedFile, most: ByteLimit | int) -> str:
    """Write the bytes of `file` into `target`, and return the media type that they come with.

    `most` are those that it declares, where its limits were checked with them, or else the limit itself.
    """
    piece, size, module = bytearray(), 0, call.module
    headers = {"Accept": "*/*", **(file.headers if isinstance(file, LinkedFile) else {})}
    request = Request(method="GET", path=file.href, headers=headers)
    async with client.open(module, request, client.limits.artifact_bytes) as response:
        _check_found(module, file, response)
        async for chunk in chunks_of(module, response):
            piece += chunk
            size += len(chunk)
            if size > (most if isinstance(most, int) else most.bytes):
                raise _too_large(file, module, most)
            if len(piece) >= _PIECE_BYTES:
                await asyncio.to_thread(target.write, piece)
                piece = bytearray()
        media_type = media_type_of(response.headers.get("content-type", ""))
    await asyncio.to_thread(target.complete, piece)
    return media_type


def _too_large(file: FetchedFile, module: Module, most: ByteLimit | int) -> StepError:
    if isinstance(most, int):
        message = f"sends more than the {most} bytes that it declares for the artifact {file.name!r}"
        return StepError.of(module.name, "INVALID_ANSWER", message, requirement="OPS-ART-004")
    message = f"sends an artifact that cannot be taken: {file.name!r} is larger than the {most.bytes} bytes {most.reason}"
    return StepError.of(module.name, "ANSWER_TOO_LARGE", message)


def _linked(file: LinkedFile, media_type: str, target: StagedFile, module: Module) -> ArtifactRef:
    """The artifact as it came. Raises StepError when it is not what its module states."""
    if file.sha256 is not None and target.sha256 != file.sha256:
        found = f"has the sha256 {target.sha256}, the answer says {file.sha256}"
        raise StepError.of(module.name, "INVALID_ANSWER", f"sends an artifact that is not what it says: {file.name!r} {found}")
    served = media_type if _PLAIN_TYPE.fullmatch(media_type) and media_type != UNKNOWN_TYPE else guessed_type(file.name)
    described = {"name": file.name, "media_type": file.media_type or served}
    return ArtifactRef(**described, size_bytes=target.size_bytes, sha256=target.sha256)


def _check_found(module: Module, file: FetchedFile, response: Response) -> None:
    if response.status != 200:
        raise StepError.of(
            module.name,
            "INVALID_ANSWER",
            f"answers {response.status} for the artifact {file.name!r} at {masked_url(response.url)}",
            retryable=response.status in RETRYABLE_STATUS,
            requirement="OPS-ART-002" if isinstance(file, RemoteFile) else None,
        )
