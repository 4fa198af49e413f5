"""What a module answered, independent of how we talk to it."""

import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from ops_contract import ArtifactRef, SuccessEnvelope, sha256_hex
from ops_orchestrator.errors import StepError
from ops_orchestrator.excerpt import excerpt
from ops_orchestrator.exchange import Exchange

_MOST_VERSION_CHARACTERS: Final = 200
_MOST_WARNINGS: Final = 100
_MOST_WARNING_CHARACTERS: Final = 1_000


@dataclass(frozen=True)
class Readiness:
    """What a health check found. A module that does not follow the contract may say nothing but that it is there."""

    version: str | None = None
    status: str = "ok"
    contract_versions: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Caption:
    """What a module says of an artifact for people. It is no part of a result."""

    title: str | None = None
    description: str | None = None


NO_CAPTION: Final = Caption()
"""That of an artifact of which its module says nothing."""


@dataclass(frozen=True)
class InlineFile:
    """An artifact whose bytes came with the answer."""

    name: str
    media_type: str
    content: bytes
    caption: Caption = NO_CAPTION

    @cached_property
    def ref(self) -> ArtifactRef:
        """The artifact without its bytes; size and digest are those of `content`."""
        return ArtifactRef(
            name=self.name, media_type=self.media_type, size_bytes=len(self.content), sha256=sha256_hex(self.content)
        )


@dataclass(frozen=True)
class RemoteFile:
    """An artifact that is fetched from `href`, a path below the module's base URL, and must match `ref`."""

    ref: ArtifactRef
    href: str
    caption: Caption = NO_CAPTION

    @property
    def name(self) -> str:
        """What the artifact is called."""
        return self.ref.name

    @property
    def media_type(self) -> str:
        """What the artifact is."""
        return self.ref.media_type


@dataclass(frozen=True)
class SharedFile:
    """An artifact on a volume shared with its module; only what is below `root` is ever read.

    `sha256` is the digest that the module states, None when it states none.
    """

    name: str
    media_type: str
    path: str
    root: Path
    sha256: str | None
    caption: Caption = NO_CAPTION


@dataclass(frozen=True)
class LinkedFile:
    """An artifact that is fetched from `href`, a path below the module's base URL, with `headers`.

    `sha256` is the digest that the module states, None when it states none. A `media_type` of None is that of the answer with
    its bytes, else one by the name.
    """

    name: str
    media_type: str | None
    href: str
    headers: Mapping[str, str]
    sha256: str | None
    caption: Caption = NO_CAPTION


FetchedFile = RemoteFile | LinkedFile
"""An artifact that is fetched from its module."""

ArtifactSource = InlineFile | FetchedFile | SharedFile
"""Where the bytes of an artifact are."""


@dataclass(frozen=True)
class Answer:
    """A successful answer: the envelope, and where the bytes of its artifacts are."""

    envelope: SuccessEnvelope
    sources: tuple[ArtifactSource, ...]


@dataclass(frozen=True)
class ReceivedArtifact:
    """A received artifact whose bytes match the declared size and digest.

    `content` is the bytes that came with the answer, or the staged file of what was fetched; None when they are not kept.
    """

    ref: ArtifactRef
    content: bytes | Path | None
    caption: Caption = NO_CAPTION


UNKNOWN_TYPE: Final = "application/octet-stream"


def guessed_type(name: str) -> str:
    """The media type of a file by its name."""
    return mimetypes.guess_type(name)[0] or UNKNOWN_TYPE


def too_many_values(module: str, exchange: Exchange) -> StepError:
    """The error of an answer of `module` that holds more JSON values than are read."""
    allowed = f"{exchange.max_values} JSON values, keys included, that OPS_MAX_RESPONSE_VALUES allows"
    message = f"answers at {exchange.url} with more than the {allowed}; large tables belong in an artifact"
    return StepError.of(module, "ANSWER_TOO_LARGE", message, requirement="OPS-EXE-004")


def shortened_version(version: str | None) -> str | None:
    """A module's version as it is recorded."""
    return version and excerpt(version, _MOST_VERSION_CHARACTERS)


def shortened_warnings(warnings: Sequence[str]) -> tuple[str, ...]:
    """A module's warnings as they are recorded and shown; the kept answer has all of them in full."""
    first = tuple(excerpt(warning, _MOST_WARNING_CHARACTERS) for warning in warnings[:_MOST_WARNINGS])
    more = len(warnings) - len(first)
    return (*first, f"and {more:,} more warnings, in the answer that the run's folder keeps") if more else first
