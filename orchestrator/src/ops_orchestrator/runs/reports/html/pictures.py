"""Which artifacts are pictures that a page can show, by their first bytes and not by what their module says of them."""

import base64
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from ops_orchestrator.charts.words import visible
from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.runs.record import ArtifactRecord, Results
from ops_orchestrator.runs.store.protocols import StoredRun

MOST_BYTES: Final = 2 * 1024 * 1024
"""A larger picture is linked to and not carried in a report."""

MOST_BYTES_TOGETHER: Final = 8 * 1024 * 1024
"""A report carries pictures of so many bytes in all."""

MOST_PICTURES: Final = 40
"""So many pictures of a run are shown; the rest is counted."""

_HEAD_BYTES: Final = 32
_PNG: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A picture among the artifacts of a step. `source` is what an `img` shows; None where the picture is too large for that.

    `size` is width and height in pixels, where the format says it in its first bytes.
    """

    step: str
    artifact: ArtifactRecord
    media_type: str
    size: tuple[int, int] | None
    source: str | None

    @property
    def alternative(self) -> str:
        """What to read instead of the picture: what its module says that it shows, else what it is called."""
        text = self.artifact.description or self.artifact.title or f"Plot {self.artifact.name} by {self.step}"
        return visible(text).rstrip(". ")


def picture_type(head: bytes) -> str | None:
    """The media type of a PNG, JPEG, GIF or WebP file that begins with `head`; None for anything else."""
    if head.startswith(_PNG):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return None


def pictures_within(run: StoredRun, results: Results) -> list[Picture]:
    """The pictures of a run with their bytes in them, as far as they fit; for a file that loads nothing."""
    found, room = list[Picture](), MOST_BYTES_TOGETHER
    for step, artifact, head in _candidates(run, results):
        content = _content(run, artifact, min(MOST_BYTES, room)) if (kind := picture_type(head)) else None
        if kind is None:
            continue
        room -= len(content or b"")
        source = f"data:{kind};base64,{base64.b64encode(content).decode()}" if content else None
        found.append(Picture(step, artifact, kind, _size(head, kind), source))
    return found


def pictures_linked(run: StoredRun, results: Results, address: Callable[[str], str]) -> list[Picture]:
    """The pictures of a run by their addresses, which `address` makes of a path; for a page that loads them."""
    return [
        Picture(step, artifact, kind, _size(head, kind), address(artifact.path))
        for step, artifact, head in _candidates(run, results)
        if artifact.path and (kind := picture_type(head))
    ]


def pictures_left_out(results: Results) -> int:
    """How many artifacts that are called pictures are beyond the `MOST_PICTURES` that are looked at."""
    called = sum(_is_called_picture(artifact) for answered in results.steps.values() for artifact in answered.artifacts)
    return max(called - MOST_PICTURES, 0)


def _is_called_picture(artifact: ArtifactRecord) -> bool:
    return artifact.path is not None and artifact.media_type.startswith("image/")


def _candidates(run: StoredRun, results: Results) -> Iterator[tuple[str, ArtifactRecord, bytes]]:
    """The artifacts that are called pictures, each with its first bytes."""
    count = 0
    for step, answered in results.steps.items():
        for artifact in answered.artifacts:
            if artifact.path is None or not _is_called_picture(artifact):
                continue
            if count == MOST_PICTURES:
                return
            count += 1
            try:
                with closing(run.open(artifact.path)) as opened:
                    yield step, artifact, opened.file.read(_HEAD_BYTES)
            except (NotFoundError, StoreError):
                continue


def _content(run: StoredRun, artifact: ArtifactRecord, most: int) -> bytes | None:
    """The whole file; None where it is too large, or no longer there."""
    if artifact.path is None:
        return None
    try:
        with closing(run.open(artifact.path)) as opened:
            return opened.file.read(most + 1) if opened.size <= most else None
    except (NotFoundError, StoreError):
        return None


def _size(head: bytes, media_type: str) -> tuple[int, int] | None:
    if media_type == "image/png" and len(head) >= 24:
        width, height = struct.unpack(">II", head[16:24])
    elif media_type == "image/gif" and len(head) >= 10:
        width, height = struct.unpack("<HH", head[6:10])
    else:
        return None
    return (width, height) if 0 < width <= 100_000 and 0 < height <= 100_000 else None
