"""The views of one run, module or trial on a terminal."""

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import yaml
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops_orchestrator.excerpt import one_line
from ops_orchestrator.runs.figures import Figures, headline_figures
from ops_orchestrator.runs.next_step import next_step
from ops_orchestrator.runs.verdict import Compliance

_MOST_LINES: Final = 60
_MOST_WARNINGS: Final = 10
_LONGEST_WARNING: Final = 500
_STEP_COLUMNS: Final = ("", "step", "module", "version", "attempts", "time", "data")
_UNKNOWN_MARK: Final = ("?", "yellow")
_MARKS: Final = {
    "pending": ("○", "dim"),
    "running": ("●", "yellow"),
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "errored": ("✗", "red"),
    "interrupted": ("!", "yellow"),
    "cancelled": ("!", "yellow"),
}


def steps_view(record: dict[str, Any], now: datetime | None = None, note: str = "") -> RenderableType:
    """A run's steps, one a line: state, module, version, attempts, seconds; what its module warned of below a step.

    The seconds of a step under way are counted up to `now`. `note` says what that step waits for.
    """
    rows = [_step_row(step, now) for step in record["steps"]]
    heads = _STEP_COLUMNS if any(step.get("synthetic") for step in record["steps"]) else _STEP_COLUMNS[:-1]
    # Below a step with warnings a table of its own goes on, and its columns stand where those above do.
    widths = {head: max(map(cell_len, (head, *(row[at].plain for row in rows)))) for at, head in enumerate(heads)}
    parts: list[RenderableType] = []
    table = _steps_table(widths, show_header=True)
    for step, row in zip(record["steps"], rows, strict=True):
        table.add_row(*row[: len(heads)])
        below = [*_warnings(step), *([plain(f"    {note}", "dim")] if note and step["status"] == "running" else [])]
        if below:
            parts += [table, *below]
            table = _steps_table(widths, show_header=False)
    return Group(*parts, *([table] if table.row_count else []))


def run_view(record: dict[str, Any], results: dict[str, Any], folder: Path | str) -> RenderableType:
    """A run: how it ended, its steps and their warnings, the headline figures, where everything is, and what to do next."""
    made_up = _synthetic_steps(record, results)
    record = record | {"steps": [step | {"synthetic": step["id"] in made_up} for step in record["steps"]]}
    parts: list[RenderableType] = [_title(record), steps_view(record)]
    for step, result in results["results"].items():
        figures = headline_figures(result)
        if figures.listed:
            parts += [Text(""), _figures_view(step, figures, synthetic=step in made_up)]
    parts.append(Text(""))
    parts += [_pointer(name, value) for name, value in _pointers(record, results, folder)]
    if record["error"]:
        parts += [Text(""), plain(record["error"]["message"], "red")]
    if commands := next_step(record):
        parts.append(_unwrapped(plain(f"Next: {commands}")))
    return Group(*parts)


def declaration_view(declared: dict[str, Any], base: str | None, compliance: Compliance) -> RenderableType:
    """How a module is called, as YAML that could stand in modules.yaml; not wrapped, so that it can be copied.

    The last verdict on it is a comment.
    """
    rest = {key: value for key, value in declared.items() if key != "name"}
    made_from = [f"# adapter made from {base}"] if base else []
    lines = [*made_from, f"# {_compliance_line(compliance)}", *_yaml({declared["name"]: rest}).splitlines()]
    return Group(*(_unwrapped(plain(line)) for line in lines))


def _compliance_line(compliance: Compliance) -> str:
    verdict = compliance.verdict
    if verdict is None:
        return f"last compliance check: {one_line(compliance.unreadable or compliance.state)}"
    of = f"version {verdict.module_version or 'not stated'}, kit {verdict.kit_version}, {verdict.checked_at}"
    return one_line(f"last compliance check: {compliance.word} ({verdict.tally}; {of}) {compliance.stale}")


def trial_view(trial: dict[str, Any]) -> RenderableType:
    """A trial, from the mapped request to the envelope or the error."""
    parts: list[RenderableType] = []
    titles = {"request": "Mapped request", "job": "Job", "response": "Raw response", "envelope": "Envelope"}
    for name, title in titles.items():
        if trial.get(name) is not None:
            parts += [plain(title, "bold"), _json_view(trial[name]), Text("")]
    if trial["error"]:
        parts.append(plain(f"✗ {trial['error']['message']}", "red"))
    else:
        parts.append(plain(f"✓ {trial['module']} did {trial['action']}", "green"))
    return Group(*parts)


def log_text(raw: bytes) -> Text:
    """One line of a log for people; a line torn by a crash, or by somebody else, is printed as it is."""
    try:
        line = json.loads(raw)
        style = {"warning": "yellow", "error": "red"}.get(line["level"], "")
        return plain(line["timestamp"], "dim") + plain(f"  {line['message']}", style)
    except (ValueError, LookupError, TypeError, RecursionError):
        return plain(raw.decode(errors="replace"), "dim")


def plain(text: str, style: str = "") -> Text:
    """Text that may come from a module: no markup, and no control characters for the terminal."""
    return Text("".join(character if character.isprintable() else "\ufffd" for character in text), style)


def _unwrapped(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ignore"
    return text


def _json_view(value: Any) -> RenderableType:
    lines = json.dumps(value, indent=2, ensure_ascii=False).splitlines()
    rows = [plain(line) for line in lines[:_MOST_LINES]]
    if len(lines) > _MOST_LINES:
        rows.append(plain(f"... and {len(lines) - _MOST_LINES} more lines; --json shows all", "dim"))
    return Group(*rows)


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=sys.maxsize)


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as such."""


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text_node)


def _title(record: dict[str, Any]) -> Text:
    """How a run ended. Warnings take the place of the green: a run that has some is not simply fine."""
    mark, style = _MARKS.get(record["status"], _UNKNOWN_MARK)
    count = sum(len(step.get("warnings") or ()) for step in record["steps"])
    ending = record["status"] + (f", {count} warning{'' if count == 1 else 's'}" if count else "")
    style = "yellow" if count and style == "green" else style
    synthetic = any(step.get("synthetic") for step in record["steps"])
    return Text.assemble(
        plain(f"{mark} {ending} ", f"bold {style}"),
        plain(record["run_id"]),
        *([plain("  synthetic data", "yellow")] if synthetic else []),
    )


def _steps_table(widths: Mapping[str, int], *, show_header: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=show_header)
    for name, width in widths.items():
        table.add_column(name, min_width=width, justify="right" if name in ("attempts", "time") else "left")
    return table


def _step_row(step: dict[str, Any], now: datetime | None) -> list[Text]:
    mark, style = _MARKS.get(step["status"], _UNKNOWN_MARK)
    style = "yellow" if step.get("warnings") and style == "green" else style
    seconds = _seconds(step["started_at"], step["finished_at"], now if step["status"] == "running" else None)
    attempts = str(step["attempts"] or "")
    cells = (step["id"], step["module"], step["module_version"] or "", attempts, seconds)
    return [Text(mark, style), *map(plain, cells), plain("synthetic" if step.get("synthetic") else "", "yellow")]


def _warnings(step: dict[str, Any]) -> list[Text]:
    warnings = step.get("warnings") or ()
    listed = [plain(f"    ▲ {warning[:_LONGEST_WARNING]}", "yellow") for warning in warnings[:_MOST_WARNINGS]]
    more = len(warnings) - len(listed)
    return [*listed, *([plain(f"    and {more} more; --json shows all", "yellow")] if more else [])]


def _synthetic_steps(record: dict[str, Any], results: dict[str, Any]) -> set[str]:
    """The steps whose modules call some of their figures made up."""
    recorded = {step["id"] for step in record["steps"] if step.get("synthetic")}
    evidence = {step: full.get("evidence") or () for step, full in (results.get("steps") or {}).items()}
    return recorded | {step for step, items in evidence.items() if any(item.get("synthetic") for item in items)}


def _figures_view(step: str, figures: Figures, *, synthetic: bool) -> Group:
    compared = any(figure.change or figure.baseline for figure in figures.listed)
    names = ("figure", "value", *(("change", "baseline") if compared else ()), "unit")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, justify="left" if name in ("figure", "unit") else "right")
    for figure in figures.listed:
        cells = (figure.label, figure.value, *((figure.change, figure.baseline) if compared else ()), figure.unit)
        table.add_row(*map(plain, cells))
    mark = [plain("  synthetic", "yellow")] if synthetic else []
    title = Text.assemble(plain(f"Headline figures of {step}", "bold"), *mark)
    more = [plain(f"and {figures.more} more; --json shows all", "dim")] if figures.more else []
    return Group(title, table, *more)


def _pointer(name: str, value: str) -> Text:
    """A line that says where something is; only the list of artifacts is wrapped, all others are to be copied."""
    line = Text.assemble(plain(f"{name:<11}", "bold"), plain(value))
    return line if name == "artifacts" else _unwrapped(line)


def _pointers(record: dict[str, Any], results: dict[str, Any], folder: Path | str) -> list[tuple[str, str]]:
    artifacts = ", ".join(
        f"{step}/{name}{_unkept(results, step, name)}"
        for step, result in results["results"].items()
        for name in result["artifacts"]
    )
    pointers = [("folder", f"{folder}/")]
    did = [f"{by} {what} it" for what in ("started", "resumed", "cancelled") if (by := record.get(f"{what}_by"))]
    if did:
        pointers.append(("by", ", ".join(did)))
    if artifacts:
        pointers.append(("artifacts", artifacts))
    explained = {"recipe": "what was run", "result": "what was found"}
    for name, meaning in explained.items():
        if value := record["fingerprints"].get(name):
            pointers.append((name, f"{value}  {meaning}"))
    return pointers


def _unkept(results: dict[str, Any], step: str, name: str) -> str:
    """A note for an artifact of which the run keeps no file."""
    described = results.get("steps", {}).get(step, {}).get("artifacts", ())
    return " (hash only)" if any(one["name"] == name and one["path"] is None for one in described) else ""


def _seconds(started_at: str | None, finished_at: str | None, now: datetime | None) -> str:
    end = datetime.fromisoformat(finished_at) if finished_at else now
    if not started_at or not end:
        return ""
    # The clock of the service may be ahead of this one's.
    return f"{max((end - datetime.fromisoformat(started_at)).total_seconds(), 0):.{2 if finished_at else 1}f} s"
