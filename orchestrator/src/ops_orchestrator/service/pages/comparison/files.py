"""The artifacts of several runs side by side: by hash, and of briefs and plots what they hold."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Final

from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.runs.comparison.plain_text import plain_lines
from ops_orchestrator.runs.comparison.sides import Side
from ops_orchestrator.runs.comparison.text_changes import TextChanges, text_changes
from ops_orchestrator.runs.record import ArtifactRecord
from ops_orchestrator.runs.reports.html.briefs import MOST_BYTES
from ops_orchestrator.runs.reports.html.pictures import Picture, pictures_linked
from ops_orchestrator.runs.store.protocols import StoredRun
from ops_orchestrator.service.pages.run import RunLinks

MOST_FILES: Final = 200
"""So many artifacts are listed; the rest is counted."""

MOST_BRIEFS: Final = 12
"""So many briefs are compared word by word."""

MOST_PLOTS: Final = 24
"""So many plots of the same name are put side by side."""

Key = tuple[str, str]
"""A step and the name of an artifact."""


@dataclass(frozen=True)
class FileRow:
    """An artifact in each run, None where it has none, and for each but the reference how it compares."""

    step: str
    name: str
    files: tuple[ArtifactRecord | None, ...]
    links: tuple[str | None, ...]
    results: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether all runs have the same bytes."""
        return all(result == "same" for result in self.results)


@dataclass(frozen=True)
class Files:
    """The artifacts that differ, how many more do, and how many are the same in all runs."""

    rows: tuple[FileRow, ...]
    more: int
    same: int


@dataclass(frozen=True)
class Plot:
    """A picture as one or several runs have it, byte for byte."""

    names: tuple[str, ...]
    picture: Picture


@dataclass(frozen=True)
class Plots:
    """The pictures of one step and name, and the runs that do not have it."""

    step: str
    name: str
    plots: tuple[Plot, ...]
    without: tuple[str, ...]


@dataclass(frozen=True)
class BriefChange:
    """A brief of the reference against that of another run. `changes` is None where they cannot be compared, and `note` why."""

    step: str
    name: str
    run: str
    links: tuple[str | None, str | None]
    changes: TextChanges | None
    note: str = ""


def file_rows(sides: Sequence[Side]) -> list[FileRow]:
    """All artifacts of all runs, by step and name."""
    by_run = [_files(side) for side in sides]
    keys = dict.fromkeys(key for found in by_run for key in found)
    return [_file_row(sides, key, [found.get(key) for found in by_run]) for key in keys]


def differing(rows: Sequence[FileRow]) -> Files:
    """Those that are not the same in all runs."""
    differ = [row for row in rows if not row.is_same]
    return Files(tuple(differ[:MOST_FILES]), max(len(differ) - MOST_FILES, 0), len(rows) - len(differ))


def plots(sides: Sequence[Side]) -> tuple[list[Plots], int]:
    """The pictures by step and name, and how many more names there are."""
    found: dict[Key, dict[str, list[tuple[str, Picture]]]] = {}
    for side in sorted(sides, key=lambda side: side.name):
        for picture in pictures_linked(side.run, side.found, RunLinks(side.run.run_id).file):
            same = found.setdefault((picture.step, picture.artifact.name), {})
            same.setdefault(picture.artifact.sha256, []).append((side.name, picture))
    listed = [_plots(key, same, sides) for key, same in islice(found.items(), MOST_PLOTS)]
    return listed, max(len(found) - MOST_PLOTS, 0)


def brief_changes(sides: Sequence[Side], rows: Sequence[FileRow]) -> tuple[list[BriefChange], int]:
    """What changed in each brief that differs, and how many more there are."""
    found = [
        (row, at)
        for at in range(1, len(sides))
        for row in rows
        if all(map(_is_brief, (row.files[0], row.files[at]))) and row.results[at - 1] != "same"
    ]
    return [_brief_change(sides, row, at) for row, at in found[:MOST_BRIEFS]], max(len(found) - MOST_BRIEFS, 0)


def _file_row(sides: Sequence[Side], key: Key, files: Sequence[ArtifactRecord | None]) -> FileRow:
    links = (_link(side, artifact) for side, artifact in zip(sides, files, strict=True))
    results = (_result(sides, files, at) for at in range(1, len(sides)))
    return FileRow(*key, tuple(files), tuple(links), tuple(results))


def _plots(key: Key, same: dict[str, list[tuple[str, Picture]]], sides: Sequence[Side]) -> Plots:
    drawn = tuple(Plot(tuple(name for name, _ in found), found[0][1]) for found in same.values())
    having = {name for plot in drawn for name in plot.names}
    return Plots(*key, drawn, tuple(sorted(side.name for side in sides if side.name not in having)))


def _files(side: Side) -> dict[Key, ArtifactRecord]:
    return {(step, artifact.name): artifact for step, found in side.results.items() for artifact in found.artifacts}


def _link(side: Side, artifact: ArtifactRecord | None) -> str | None:
    return RunLinks(side.run.run_id).file(artifact.path) if artifact and artifact.path else None


def _result(sides: Sequence[Side], files: Sequence[ArtifactRecord | None], at: int) -> str:
    first, other = files[0], files[at]
    if first is None or other is None:
        return "in neither" if first is other else f"only in {sides[0 if other is None else at].name}"
    return "same" if first.sha256 == other.sha256 else "differs"


def _is_brief(artifact: ArtifactRecord | None) -> bool:
    return artifact is not None and artifact.media_type.partition(";")[0].strip().lower() == "text/markdown"


def _brief_change(sides: Sequence[Side], row: FileRow, at: int) -> BriefChange:
    both = ((sides[0], row.files[0]), (sides[at], row.files[at]))
    texts = [_lines(side.run, artifact) for side, artifact in both if artifact]
    notes = [f"That of {side.name} {text}." for (side, _), text in zip(both, texts, strict=True) if isinstance(text, str)]
    lines = [text for text in texts if not isinstance(text, str)]
    changes = text_changes(*lines) if len(lines) == 2 else None
    return BriefChange(row.step, row.name, sides[at].name, (row.links[0], row.links[at]), changes, " ".join(notes))


def _lines(run: StoredRun, artifact: ArtifactRecord) -> list[str] | str:
    """The lines of a brief, or why there are none."""
    if artifact.path is None:
        return "was not kept, only its hash"
    try:
        with closing(run.open(artifact.path)) as opened:
            content = opened.file.read(MOST_BYTES + 1)
    except (NotFoundError, StoreError):
        return "cannot be read"
    if len(content) > MOST_BYTES:
        return f"is longer than {MOST_BYTES // 1024} KiB"
    return list(plain_lines(content.decode(errors="replace")))
