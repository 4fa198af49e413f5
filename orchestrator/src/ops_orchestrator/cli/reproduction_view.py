"""What a run that reproduces another one came to, and which runs reproduce one, on a terminal."""

from collections.abc import Mapping
from typing import Any, Final

from rich.cells import cell_len
from rich.text import Text

from ops_orchestrator.cli.display import plain
from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.runs.comparison.grades import SAME
from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.store.protocols import RunStore

_MOST_NAMED: Final = 5


def reproduction_lines(record: Mapping[str, Any]) -> list[Text]:
    """Which run the run of this record reproduces, how, the grade of each step, and the cause; nothing for any other run."""
    how = record.get("reproduction")
    if not record.get("reproduces") or not how:
        return []
    called = "answered from its record, no module was called" if how["offline"] else f"with the {how['modules']} modules"
    lines = [Text(""), plain(f"Reproduces {record['reproduces']}, {called}")]
    if how["grade"] is None:
        return lines
    width = max(map(cell_len, how["steps"]), default=0)
    lines += [_graded(step, grade, width) for step, grade in how["steps"].items()]
    if how["cause"]:
        lines.append(plain(how["cause"]))
    if how["grade"] not in SAME:
        lines.append(plain(f"A is {record['reproduces']}, B is this run: ops runs diff A B shows more", "dim"))
    return lines


def reproduced_by(store: RunStore, run_id: str) -> list[Text]:
    """The newest runs that reproduce `run_id`, with their grades. Blocking."""
    found = store.page(_MOST_NAMED, where=RunFilter(reproduces=run_id))
    lines = [_line(store, run.run_id, run.status) for run in found.runs]
    more = [plain("and more: GET /runs?reproduces= lists all", "dim")] if found.next_cursor else []
    return [Text(""), *lines, *more] if lines else []


def _line(store: RunStore, run_id: str, status: str) -> Text:
    try:
        reproduction = store.record(run_id).reproduction
    except (NotFoundError, StoreError):
        reproduction = None
    grade = reproduction.grade if reproduction else None
    return Text.assemble(
        plain(f"{'reproduced':<11}", "bold"), plain(f"by {run_id}: "), _styled(grade) if grade else plain(status)
    )


def _graded(step: str, grade: str, width: int) -> Text:
    return Text.assemble(plain(f"  {step}{' ' * (width - cell_len(step))}  "), _styled(grade))


def _styled(grade: str) -> Text:
    return plain(grade, "green" if grade in SAME else "red")
