"""The difference of two runs as text for people."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from textwrap import wrap
from typing import Final, Literal

from ops_orchestrator.runs.comparison.artifacts import ArtifactDiff
from ops_orchestrator.runs.comparison.diff import ComparedRun, RunDiff
from ops_orchestrator.runs.comparison.evidence import EvidenceDiff
from ops_orchestrator.runs.comparison.places import Place, Places
from ops_orchestrator.runs.comparison.steps import StepDiff
from ops_orchestrator.runs.comparison.wording import path_text, value_texts, visible
from ops_orchestrator.runs.scale import Scale, is_number

Kind = Literal["cause", "heading", "plain", "faint", "dropped", "gained", "rest"]

_LEAST_PERCENT: Final = 0.005
_MOST_PERCENT: Final = 1_000_000
_LONGEST_TEXT: Final = 90
_NARROWEST: Final = 20
_SETTINGS: Final = {
    "request": "Request",
    "options": "Options",
    "plan": "Plan",
    "modules": "Modules",
    "versions": "Orchestrator",
}
_KINDS: Final[Mapping[str, Kind]] = {"-": "dropped", "+": "gained", "@": "faint"}


@dataclass(frozen=True)
class Line:
    """A line of text without control characters, and what it is.

    Where it is broken, it goes on in `column`; with `cut` the words from there on are shortened instead.
    """

    text: str
    kind: Kind = "plain"
    column: int = 2
    cut: bool = False

    def broken(self, width: int) -> list[str]:
        """The line in pieces of at most `width` characters."""
        if self.cut and self.column < width < len(self.text):
            return [f"{self.text[: width - 3]}..."]
        column = self.column if width - self.column >= _NARROWEST else 0
        return wrap(self.text, width, subsequent_indent=" " * column) or [""]


def text_of(diff: RunDiff) -> str:
    """The difference as plain text."""
    return "".join(f"{line.text}\n" for line in lines_of(diff))


def lines_of(diff: RunDiff) -> Iterator[Line]:
    """The difference, line by line: the cause, what went in, the grades of the steps, and what differs in each."""
    yield Line(visible(diff.cause), "cause", 0)
    yield from (Line(visible(note), "faint", 0) for note in diff.notes)
    yield Line("")
    runs = (("A", diff.a), ("B", diff.b))
    yield from _aligned((name, run.run_id, run.status, run.scenario_id, _marks(run)) for name, run in runs)
    for name, heading in _SETTINGS.items():
        places: Places = getattr(diff, name)
        if places.count:
            yield from _section(heading, _table(places))
    yield from _section("Steps", _aligned(((step.id, step.grade, step.why) for step in diff.steps), "  "))
    for step in diff.steps:
        yield from _step(step)


def _step(step: StepDiff) -> Iterator[Line]:
    if step.outputs.count:
        yield from _section(f"Outputs of {step.id}, {_counted(step.outputs)}", _table(step.outputs, step.units))
    if step.artifacts:
        yield from _section(f"Artifacts of {step.id}", chain.from_iterable(map(_artifact, step.artifacts)))
    if step.evidence.model_fields_set:
        yield from _section(f"Evidence of {step.id}", _evidence(step.evidence))
    if step.warnings.model_fields_set:
        yield from _section(f"Warnings of {step.id}", _changes(step.warnings.dropped, step.warnings.gained, step.warnings.more))


def _section(heading: str, lines: Iterable[Line]) -> Iterator[Line]:
    yield Line("")
    yield Line(visible(heading), "heading", 0)
    yield from lines


def _counted(places: Places) -> str:
    within = places.count - places.beyond_tolerance
    differ = f"{places.count:,} {'place differs' if places.count == 1 else 'places differ'}"
    return differ + (f", {within:,} of them within tolerance" if within else "")


def _table(places: Places, units: Mapping[str, str] | None = None, indent: str = "  ") -> Iterator[Line]:
    heads = ("", "A", "B", "change", "relative", "", "unit")
    rows = [heads, *(_row(place, units or {}) for place in places.listed)]
    yield from (replace(line, cut=bool(units)) for line in _aligned(rows, indent, numbers=range(1, 5)))
    yield from _more(places.more, "places", indent)


def _row(place: Place, units: Mapping[str, str]) -> tuple[str, ...]:
    scale, (first, second) = _written(place, units.get(place.pointer.rpartition("/")[2], ""))
    change = "" if place.change is None else scale.change(place.change)
    within = "within tolerance" if place.within_tolerance else ""
    return path_text(place.pointer), first, second, change, _percent(place.relative), within, scale.unit


def _written(place: Place, unit: str) -> tuple[Scale, tuple[str, str]]:
    """Both values as text, and the scale in which they are written."""
    scale = Scale.of(unit)
    if unit and is_number(place.a) and is_number(place.b):
        rounded = scale.value(place.a), scale.value(place.b)
        if rounded[0] != rounded[1]:
            return scale, rounded
    # Nothing is left of the difference when it is rounded, or nothing says how to round.
    return Scale(unit=unit.replace("_", " ")), value_texts(place)


def _percent(relative: float | None) -> str:
    if relative is None:
        return ""
    percent = relative * 100
    plain = _LEAST_PERCENT <= abs(percent) < _MOST_PERCENT
    return f"{percent:+,.2f} %" if plain else f"{percent:+.1e} %"


def _artifact(artifact: ArtifactDiff) -> Iterator[Line]:
    yield Line(f"  {visible(artifact.name)}: {_of_artifact(artifact)}")
    if artifact.places.count:
        yield from _table(artifact.places, indent="    ")
    for line in artifact.text.listed:
        yield Line(f"    {visible(line.expandtabs())}", _KINDS.get(line[:1], "plain"), 6)
    yield from _more(artifact.text.more, "lines", "    ")


def _of_artifact(artifact: ArtifactDiff) -> str:
    files = [file for file in (artifact.a, artifact.b) if file is not None]
    size = " and ".join(f"{file.size_bytes:,}" for file in files) + (" byte" if files[-1].size_bytes == 1 else " bytes")
    match artifact.kind:
        case "only in A" | "only in B":
            return f"{artifact.kind}, {size}"
        case "media type":
            return f"the same content, as {' and as '.join(visible(file.media_type) for file in files)}"
        case "json":
            return f"JSON, {_counted(artifact.places) if artifact.places.count else 'the same values, written differently'}"
        case "text":
            return "text"
        case "image":
            return f"image differs, {size}"
        case "binary":
            return f"differs, {size}" + (f"; {visible(artifact.note)}" if artifact.note else "")


def _evidence(evidence: EvidenceDiff) -> Iterator[Line]:
    dropped, gained = ([f"{item.id}: {item.title}" for item in items] for items in (evidence.dropped, evidence.gained))
    yield from _changes(dropped, gained, evidence.more)
    for changed in evidence.changed:
        yield Line(f"  {visible(changed.id)}: {_counted(changed.places)}")
        for place in changed.places.listed:
            first, second = value_texts(place, _LONGEST_TEXT)
            yield Line(f"    - {path_text(place.pointer)}: {first}", "dropped", 6)
            yield Line(f"    + {path_text(place.pointer)}: {second}", "gained", 6)
        yield from _more(changed.places.more, "places", "    ")
    if evidence.reordered:
        yield Line("  the same, in another order")


def _changes(dropped: Iterable[str], gained: Iterable[str], more: int) -> Iterator[Line]:
    yield from (Line(f"  - {visible(text)}", "dropped", 4) for text in dropped)
    yield from (Line(f"  + {visible(text)}", "gained", 4) for text in gained)
    yield from _more(more, "changes", "  ")


def _more(count: int, what: str, indent: str) -> Iterator[Line]:
    if count:
        yield Line(f"{indent}and {count:,} more {what}", "rest")


def _marks(run: ComparedRun) -> str:
    """What is seen at first glance wherever a run is shown."""
    warned = f"{run.warnings} warning{'s' * (run.warnings > 1)}" if run.warnings else ""
    return ", ".join(mark for mark in ("synthetic" if run.synthetic else "", warned) if mark)


def _aligned(rows: Iterable[tuple[str, ...]], indent: str = "", numbers: Sequence[int] = ()) -> Iterator[Line]:
    """Rows in columns; those of `numbers` are aligned to the right, and columns without any text are left out.

    With `numbers` the first row has the headings, and a heading alone is no reason for a column.
    """
    texts = [[visible(cell) for cell in row] for row in rows]
    content = texts[1:] if numbers else texts
    used = [at for at in range(len(texts[0]) if texts else 0) if any(row[at] for row in content)]
    widths = {at: max(len(row[at]) for row in texts) for at in used}
    last = len(indent) + sum(widths[at] + 2 for at in used[:-1])
    for row in texts:
        cells = [row[at].rjust(widths[at]) if at in numbers else row[at].ljust(widths[at]) for at in used]
        yield Line(f"{indent}{'  '.join(cells)}".rstrip(), column=last)
