"""What a module's answer came to, whatever it was spoken in."""

from dataclasses import dataclass
from pathlib import Path

from ops_contract import Artifact, ArtifactRef, SuccessEnvelope


@dataclass(frozen=True)
class InlineFile:
    """An artifact whose bytes are already there."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class SharedFile:
    """An artifact that lies on a volume shared with its module; only what is below `root` is ever read.

    `sha256` is what the module says of it, when it says anything.
    """

    name: str
    media_type: str
    path: str
    root: Path
    sha256: str | None


ArtifactSource = Artifact | InlineFile | SharedFile
"""Where the bytes of an artifact are to be had."""


@dataclass(frozen=True)
class Answer:
    """What an exchange came to: an envelope, and where the bytes of its artifacts are to be had."""

    envelope: SuccessEnvelope
    sources: tuple[ArtifactSource, ...]


@dataclass(frozen=True)
class ReceivedArtifact:
    """An artifact whose bytes were had and are what was said of them. None as `content` when they are not kept."""

    ref: ArtifactRef
    content: bytes | Path | None
