"""Gets the bytes of an artifact, wherever they are."""

from pathlib import Path

from ops_contract import Artifact, ArtifactRef, sha256_hex
from ops_orchestrator.modules.adapters import shared_volume
from ops_orchestrator.modules.answer import ArtifactSource, InlineFile, ReceivedArtifact, SharedFile
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module


async def receive(source: ArtifactSource, module: Module, client: ModuleClient, staging: Path | None) -> ReceivedArtifact:
    """The artifact with its bytes, checked against what its module says of it. Raises StepError.

    Bytes that are not there yet are streamed into a new file in the folder `staging`; with None they are checked and dropped.
    """
    match source:
        case Artifact():
            return await client.receive(module, source, staging)
        case SharedFile():
            return await shared_volume.take(source, module.name, staging, client.limits.artifact_bytes)
        case InlineFile():
            ref = ArtifactRef(
                name=source.name,
                media_type=source.media_type,
                size_bytes=len(source.content),
                sha256=sha256_hex(source.content),
            )
            return ReceivedArtifact(ref, None if staging is None else source.content)
