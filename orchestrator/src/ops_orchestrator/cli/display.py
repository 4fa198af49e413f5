"""The views of the command line on a terminal."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops_orchestrator.planning.steps import Plan

_MOST_LINES: Final = 60
_MARKS: Final = {
    "pending": ("○", "dim"),
    "running": ("●", "yellow"),
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "errored": ("✗", "red"),
    "interrupted": ("!", "yellow"),
    "cancelled": ("!", "yellow"),
}


def steps_table(record: dict[str, Any]) -> RenderableType:
    """A run's steps, one a line: state, module, version, attempts, seconds."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "step", "module", "version", "attempts", "time"):
        table.add_column(name, justify="right" if name in ("attempts", "time") else "left")
    for step in record["steps"]:
        mark, style = _MARKS[step["status"]]
        seconds = _seconds(step["started_at"], step["finished_at"])
        attempts = str(step["attempts"] or "")
        cells = (step["id"], step["module"], step["module_version"] or "", attempts, seconds)
        table.add_row(Text(mark, style), *map(plain, cells))
    return table


def run_view(record: dict[str, Any], results: dict[str, Any], folder: Path) -> RenderableType:
    """A run that is over: how it ended, its steps, the headline figures, where everything is."""
    mark, style = _MARKS[record["status"]]
    title = Text.assemble((f"{mark} {record['status']} ", f"bold {style}"), record["run_id"])
    parts: list[RenderableType] = [title, steps_table(record)]
    for step, result in results["results"].items():
        if isinstance(result.get("kpis"), dict):
            parts += [Text(""), _kpis(step, result["kpis"])]
    parts.append(Text(""))
    parts += [plain(f"{name}  ", "bold") + plain(value) for name, value in _pointers(record, results, folder)]
    if record["error"]:
        parts += [Text(""), plain(record["error"]["message"], "red")]
    return Group(*parts)


def plan_table(plan: Plan) -> Table:
    """A plan, one step a line."""
    rows = [(str(step.number), step.id, step.module.name, step.action, step.module.address) for step in plan.steps]
    return _table(("", "step", "module", "action", "address"), rows)


def modules_table(modules: list[dict[str, Any]]) -> Table:
    """The registered modules and whether they are ready."""
    rows = [
        (
            module["name"],
            "ready" if module["ready"] else module["code"].lower().removeprefix("module_").replace("_", " "),
            module.get("version", ""),
            ", ".join(module.get("contract_versions", [])),
            module["url"],
        )
        for module in modules
    ]
    return _table(("module", "state", "version", "contract", "address"), rows)


def declaration_view(declared: dict[str, Any], base: str | None) -> RenderableType:
    """How a module is called, as YAML that could stand in modules.yaml; not wrapped, so that it can be copied."""
    rest = {key: value for key, value in declared.items() if key != "name"}
    made_from = [f"# adapter made from {base}"] if base else []
    lines = [*made_from, *_yaml({declared["name"]: rest}).splitlines()]
    return Group(*(_unwrapped(plain(line)) for line in lines))


def trial_view(trial: dict[str, Any]) -> RenderableType:
    """A trial, from the mapped request to the envelope or the error."""
    parts: list[RenderableType] = []
    for name, title in (("request", "Mapped request"), ("response", "Raw response"), ("envelope", "Envelope")):
        if trial[name] is not None:
            parts += [plain(title, "bold"), _json_view(trial[name]), Text("")]
    if trial["error"]:
        parts.append(plain(f"✗ {trial['error']['message']}", "red"))
    else:
        parts.append(plain(f"✓ {trial['module']} did {trial['action']}", "green"))
    return Group(*parts)


def runs_table(runs: list[dict[str, Any]]) -> Table:
    """Runs, one a line, newest first."""
    rows = [
        (run["run_id"], run["status"], (run["fingerprints"]["result"] or "")[:8], run.get("reason") or run["scenario_id"])
        for run in runs
    ]
    return _table(("run", "status", "result", "scenario"), rows)


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


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("run", "module"))
    for row in rows:
        table.add_row(*map(plain, row))
    return table


def _kpis(step: str, kpis: dict[str, Any]) -> Group:
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in kpis.items():
        table.add_row(plain(name), plain(f"{value:,.4g}" if isinstance(value, float) else str(value)))
    return Group(plain(f"Headline figures of {step}", "bold"), table)


def _pointers(record: dict[str, Any], results: dict[str, Any], folder: Path) -> list[tuple[str, str]]:
    artifacts = ", ".join(f"{step}/{name}" for step, result in results["results"].items() for name in result["artifacts"])
    pointers = [("folder   ", f"{folder}/")]
    if artifacts:
        pointers.append(("artifacts", artifacts))
    if result := record["fingerprints"]["result"]:
        pointers.append(("result   ", result))
    return pointers


def _seconds(started_at: str | None, finished_at: str | None) -> str:
    if not started_at or not finished_at:
        return ""
    return f"{(datetime.fromisoformat(finished_at) - datetime.fromisoformat(started_at)).total_seconds():.2f} s"
