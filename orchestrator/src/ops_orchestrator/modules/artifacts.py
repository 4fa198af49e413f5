"""Receives the bytes of an artifact, wherever they are."""

from pathlib import Path

from ops_orchestrator.modules.adapters import shared_volume
from ops_orchestrator.modules.answer import ArtifactSource, InlineFile, ReceivedArtifact, RemoteFile, SharedFile
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module


async def receive(source: ArtifactSource, module: Module, client: ModuleClient, staging: Path | None) -> ReceivedArtifact:
    """The artifact with its bytes, which match what its module declares. Raises StepError.

    Bytes that did not come with the answer are streamed into a new file in the folder `staging`; with None they are checked
    and dropped.
    """
    match source:
        case InlineFile():
            return ReceivedArtifact(source.ref, None if staging is None else source.content)
        case RemoteFile():
            return await client.fetch(module, source, staging)
        case SharedFile():
            return await shared_volume.take(source, module.name, staging, client.limits.artifact_bytes)
