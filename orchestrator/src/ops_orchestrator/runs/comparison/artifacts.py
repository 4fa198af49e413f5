"""In what the artifacts of two steps differ: by hash, and where both are kept, in what they hold."""

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from ops_contract import JsonError, parse_json, sha256_hex
from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.runs.comparison.grades import Tolerances
from ops_orchestrator.runs.comparison.lines import UnifiedDiff, unified_diff
from ops_orchestrator.runs.comparison.places import NO_PLACES, Limits, Places, Shape, places_of
from ops_orchestrator.runs.comparison.sides import Side
from ops_orchestrator.runs.record import ArtifactRecord
from ops_orchestrator.runs.store.plain_file import read_all
from ops_orchestrator.runs.store.protocols import StoredRun

_LARGEST_BYTES: Final = 8 * 1024 * 1024
_MOST_VALUES: Final = 500_000
_IMAGES: Final = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff", "image/gif": b"GIF8", "image/webp": b"RIFF"}
_TEXT_ENDINGS: Final = ("json", "xml", "yaml", "csv", "javascript", "markdown", "tex")
_NOT_IN_TEXT: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")

_Kind = Literal["json", "text", "image", "binary"]


class ArtifactFile(Shape):
    """An artifact of one of the runs."""

    media_type: str
    size_bytes: int
    sha256: str


class ArtifactDiff(Shape):
    """An artifact that differs, or that only one of the runs has."""

    name: str
    kind: Annotated[
        Literal["only in A", "only in B", "media type", _Kind],
        Field(description="what both are, by media type and content, or else binary; media type: all else is the same"),
    ]
    a: ArtifactFile | None = None
    b: ArtifactFile | None = None
    places: Annotated[Places, Field(description="of JSON")] = NO_PLACES
    text: Annotated[UnifiedDiff, Field(description="of text")] = UnifiedDiff()
    note: Annotated[str, Field(description="why the content is not compared; left out when it is")] = ""

    @property
    def is_within_tolerance(self) -> bool:
        """Whether the content is the same, or JSON in which nothing differs by more than is allowed."""
        return self.kind in ("json", "media type") and not self.places.beyond_tolerance


@dataclass(frozen=True)
class ArtifactReader:
    """Compares the artifacts of two runs."""

    a: Side
    b: Side
    tolerances: Tolerances
    limits: Limits

    def differing(self, first: Sequence[ArtifactRecord], second: Sequence[ArtifactRecord]) -> tuple[ArtifactDiff, ...]:
        """The artifacts that differ, by name. Raises nothing for a file that cannot be read, which gets a note."""
        ours, theirs = ({artifact.name: artifact for artifact in artifacts} for artifacts in (first, second))
        names = [name for name in dict.fromkeys([*ours, *theirs]) if _identity(ours, name) != _identity(theirs, name)]
        return tuple(self._diff(name, ours.get(name), theirs.get(name)) for name in names)

    def _diff(self, name: str, ours: ArtifactRecord | None, theirs: ArtifactRecord | None) -> ArtifactDiff:
        files = {side: _file(artifact) for side, artifact in (("a", ours), ("b", theirs)) if artifact is not None}
        if ours is None or theirs is None:
            return ArtifactDiff(name=name, kind="only in B" if ours is None else "only in A", **files)
        if ours.sha256 == theirs.sha256:
            return ArtifactDiff(name=name, kind="media type", **files)
        first, second = _content(self.a.run, ours), _content(self.b.run, theirs)
        for side, content in ((self.a.name, first), (self.b.name, second)):
            if isinstance(content, str):
                return ArtifactDiff(name=name, kind="binary", note=f"not compared: that of {side} {content}", **files)
        assert isinstance(first, _Content)  # noqa: S101  # see above
        assert isinstance(second, _Content)  # noqa: S101  # see above
        return ArtifactDiff(name=name, **files, **self._compared(first, second))

    def _compared(self, first: "_Content", second: "_Content") -> dict[str, Any]:
        kinds = {first.kind, second.kind}
        if kinds == {"json"}:
            return {"kind": "json", "places": places_of(first.value, second.value, self.tolerances, self.limits)}
        if kinds <= {"json", "text"}:
            return {"kind": "text", "text": unified_diff(first.raw.decode(), second.raw.decode(), self.limits)}
        return {"kind": "image" if kinds == {"image"} else "binary"}


@dataclass(frozen=True)
class _Content:
    kind: _Kind
    raw: bytes
    value: Any = None

    @classmethod
    def of(cls, media_type: str, raw: bytes) -> "_Content":
        """What `raw` is: its module may have named another media type than it has."""
        essence = media_type.partition(";")[0].strip().lower()
        if essence in _IMAGES:
            return cls("image" if raw.startswith(_IMAGES[essence]) else "binary", raw)
        if not (essence.startswith("text/") or essence.endswith(_TEXT_ENDINGS)) or not _is_text(raw):
            return cls("binary", raw)
        if essence.endswith("json"):
            try:
                return cls("json", raw, parse_json(raw, max_values=_MOST_VALUES))
            except JsonError:
                return cls("text", raw)
        return cls("text", raw)


def _content(run: StoredRun, artifact: ArtifactRecord) -> _Content | str:
    """The content of a stored artifact, or why it cannot be compared."""
    if artifact.path is None:
        return "was not kept, only its hash"
    if artifact.size_bytes > _LARGEST_BYTES:
        return f"has more than {_LARGEST_BYTES // 1024 // 1024} MiB"
    try:
        with closing(run.open(artifact.path)) as opened:
            raw = read_all(opened.file, artifact.path, _LARGEST_BYTES)
    except (NotFoundError, StoreError, OSError):
        return "cannot be read"
    if sha256_hex(raw) != artifact.sha256:
        return "is not the recorded one; `ops runs verify` says more"
    return _Content.of(artifact.media_type, raw)


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return _NOT_IN_TEXT.search(raw) is None


def _identity(artifacts: Mapping[str, ArtifactRecord], name: str) -> tuple[str, str] | None:
    return (artifacts[name].sha256, artifacts[name].media_type) if name in artifacts else None


def _file(artifact: ArtifactRecord) -> ArtifactFile:
    return ArtifactFile(media_type=artifact.media_type, size_bytes=artifact.size_bytes, sha256=artifact.sha256)
