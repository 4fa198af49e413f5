"""Receives the bytes of an artifact, wherever they are, and checks them against what its module declares."""

import asyncio
import hashlib
from pathlib import Path
from typing import IO

from ops_contract import masked_url
from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import RETRYABLE_STATUS, Request
from ops_orchestrator.modules.adapters import shared_volume
from ops_orchestrator.modules.answer import ArtifactSource, InlineFile, ReceivedArtifact, RemoteFile, SharedFile
from ops_orchestrator.modules.client import ModuleClient, chunks_of
from ops_orchestrator.modules.contract_answer import check_content
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.staging import staged_file
from ops_orchestrator.modules.transport import Response


async def receive(source: ArtifactSource, module: Module, client: ModuleClient, staging: Path | None) -> ReceivedArtifact:
    """The artifact with its bytes, which match what its module declares. Raises StepError.

    Bytes that did not come with the answer are streamed into a new file in the folder `staging`; with None they are checked
    and dropped.
    """
    match source:
        case InlineFile():
            return ReceivedArtifact(source.ref, None if staging is None else source.content)
        case RemoteFile():
            async with staged_file(staging) as target:
                await _fetch(source, module, client, target)
            return ReceivedArtifact(source.ref, Path(target.name) if target else None)
        case SharedFile():
            return await shared_volume.take(source, module.name, staging, client.limits.artifact_bytes)


async def _fetch(file: RemoteFile, module: Module, client: ModuleClient, target: IO[bytes] | None) -> None:
    digest, size = hashlib.sha256(), 0
    request = Request(method="GET", path=file.href, headers={"Accept": "*/*"})
    async with client.open(module, request, client.limits.artifact_bytes) as response:
        _check_found(module, file, response)
        async for chunk in chunks_of(module, response):
            digest.update(chunk)
            size += len(chunk)
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
