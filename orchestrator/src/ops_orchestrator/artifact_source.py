"""Where the bytes of an artifact are, before and after they were had."""

from dataclasses import dataclass
from pathlib import Path

from ops_contract import Artifact, ArtifactRef

ArtifactSource = Artifact
"""An artifact that a module announced: its bytes stand in the answer or are still to be had."""


@dataclass(frozen=True)
class ReceivedArtifact:
    """An artifact whose bytes were had and are what was said of them. None as `content` when they are not kept."""

    ref: ArtifactRef
    content: bytes | Path | None
