"""Sweeps on a terminal: one with its files and failed points, and the list of all."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from ops_orchestrator.cli.display import plain
from ops_orchestrator.cli.tables import plain_table

MOST_FAILED: Final = 10
"""So many failed points are listed."""

_MARKS: Final = {"completed": ("✓", "green"), "failed": ("✗", "red"), "errored": ("✗", "red"), "running": ("●", "yellow")}
_OTHER_MARK: Final = ("!", "yellow")
_LONGEST_VALUE: Final = 40


def sweep_view(sweep: Mapping[str, Any], failed: Sequence[Mapping[str, Any]], *, local: bool = False) -> RenderableType:
    """A sweep: how it ended, what was varied, its failed points, where everything is, and what to do next.

    `local` says that no service executes it.
    """
    mark, style = _MARKS.get(sweep["status"], _OTHER_MARK)
    parts: list[RenderableType] = [
        Text.assemble(
            plain(f"{mark} {sweep['status']} ", f"bold {style}"), plain(f"{sweep['sweep_id']}  {progress_text(sweep)}")
        ),
        *(_pointer("varied", f"{each['label']}  {each['pointer']}") for each in sweep["parameters"]),
        _pointer("seeds", _seeds(sweep["seeds"])),
        _pointer("folder", sweep["sweep_path"]),
        *([_pointer("files", files)] if (files := _files(sweep["files"])) else []),
        *(plain(f"▲ {note}", "yellow") for note in sweep["notes"]),
    ]
    if failed:
        parts += [Text(""), plain("Failed points", "bold"), _failed_table(failed)]
        more = sweep["points"]["failed"] - len(failed)
        parts += [plain(f"and {more:,} more; table.csv has all", "dim")] if more > 0 else []
    if sweep["error"]:
        parts += [Text(""), plain(sweep["error"]["message"], "red")]
    elif sweep["status"] in ("failed", "interrupted"):
        parts.append(plain(f"Next: ops sweep resume {sweep['sweep_id']}{' --local' if local else ''}"))
    return Group(*parts)


def _files(names: Sequence[str]) -> str:
    """The tables by name, and the charts counted: there are many."""
    tables = [name for name in names if name.startswith("table.")]
    kinds = {ending: [name for name in names if name.endswith(ending)] for ending in (".svg", ".png")}
    charts = [
        f"{len(found)} chart{'s' * (len(found) > 1)} as {ending[1:].upper()} such as {found[0]}"
        for ending, found in kinds.items()
        if found
    ]
    return ", ".join([*tables, *charts])


def sweeps_view(sweeps: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Sweeps, one a line, newest first."""
    rows = [
        (
            sweep["sweep_id"],
            sweep["status"],
            f"{_done(sweep):,} of {sweep['points']['total']:,}",
            sweep["points"]["failed"] or None,
            ", ".join(each["label"] for each in sweep["parameters"]) or None,
            sweep["scenario_id"],
        )
        for sweep in sweeps
    ]
    return plain_table(("sweep", "status", "points", "failed", "varied", "scenario"), rows)


def progress_text(sweep: Mapping[str, Any]) -> str:
    """How many points are done, how many failed, how fast it goes, and how long it will take."""
    points, rate, left_s = sweep["points"], sweep["points_per_s"], sweep["seconds_left"]
    text = f"{_done(sweep):,} of {points['total']:,} points done"
    text += f", {points['failed']:,} failed" if points["failed"] else ""
    text += f", {rate:.3g} a second" if rate else ""
    return text + (f", {_duration(left_s)} left" if left_s and left_s >= 1 and sweep["status"] == "running" else "")


def _done(sweep: Mapping[str, Any]) -> int:
    return int(sweep["points"]["completed"]) + int(sweep["points"]["failed"])


def _duration(seconds: float) -> str:
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _seeds(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds)) if len(seeds) <= 10 else f"{seeds[0]}, {seeds[1]} and {len(seeds) - 2:,} more"


def _pointer(name: str, value: str) -> Text:
    return Text.assemble(plain(f"{name:<9}", "bold"), plain(value))


def _failed_table(failed: Sequence[Mapping[str, Any]]) -> RenderableType:
    rows = [
        (point["number"], _parameters(point["parameters"]), point["seed"], point["run_id"], point["message"])
        for point in failed
    ]
    return plain_table(("point", "parameters", "seed", "run", "message"), rows)


def _parameters(parameters: Mapping[str, Any]) -> str | None:
    named = (
        f"{pointer.rpartition('/')[2]}={json.dumps(value, ensure_ascii=False)[:_LONGEST_VALUE]}"
        for pointer, value in parameters.items()
    )
    return ", ".join(named) or None
