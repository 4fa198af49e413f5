"""`ops runs evidence`: what the figures of a run rest on."""

from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from ops_contract import Evidence
from ops_orchestrator.cli.display import plain
from ops_orchestrator.cli.opened_run import AnyRun, opened_run
from ops_orchestrator.cli.tables import plain_table
from ops_orchestrator.cli.terminal import AsJson, show
from ops_orchestrator.errors import ConfigurationError, InvalidRequestError
from ops_orchestrator.runs.evidence import EvidenceFilter, RunEvidence, StepEvidence, SupportedValue
from ops_orchestrator.runs.record import MODULES
from ops_orchestrator.runs.scale import Scale, shortened, value_text
from ops_orchestrator.runs.supports import NO_EVIDENCE

_MOST_ROWS: Final = 50
_MOST_NAMES: Final = 5
_LONGEST_DETAILS: Final = 200


def show_evidence(
    run: AnyRun,
    step: Annotated[str | None, typer.Argument(help="Only this step.")] = None,
    *,
    pointer: Annotated[
        str, typer.Option(metavar="POINTER", help="Only values at or below this place in a step's outputs, such as /kpis.")
    ] = "",
    unsupported: Annotated[bool, typer.Option("--unsupported", help="Only values that no evidence supports.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the figures of a run rest on.

    Figures are the numbers in the outputs of its steps.
    """
    where = EvidenceFilter(step, pointer, unsupported)
    with opened_run(run) as stored:
        try:
            found = RunEvidence.of(stored.record(), stored.results(), lambda: stored.document(MODULES), where)
        except InvalidRequestError as error:
            raise ConfigurationError("; ".join(f"--{one.pointer} {one.message}" for one in error.problems)) from error
    show(found.as_json(), lambda: evidence_view(found, where), as_json=as_json)


def evidence_view(found: RunEvidence, where: EvidenceFilter) -> RenderableType:
    """The steps, each with the values that were chosen, or else those with evidence, and with the evidence itself."""
    parts: list[RenderableType] = [plain(f"{found.run_id} {found.status}", "bold")]
    for step in found.steps:
        parts += [Text(""), _title(step), *_values(step, where)]
        if used := _used(step, where):
            parts += [Text(""), _evidence_table(used), *_details_view(used)]
    if not found.steps:
        parts.append(plain("No step has completed, so that there are no figures."))
    return Group(*parts)


def _title(step: StepEvidence) -> Text:
    mark = [plain(f"  {step.synthetic_text}", "yellow")] if step.synthetic else []
    warning = [plain(f"\n▲ {NO_EVIDENCE}", "yellow")] if step.figures and not step.evidence else []
    return Text.assemble(plain(step.step, "bold"), plain(f"  {step.coverage}"), *mark, *warning)


def _values(step: StepEvidence, where: EvidenceFilter) -> list[RenderableType]:
    chosen = where.unsupported or where.pointer
    values = [value for value in step.values if chosen or value.evidence]
    hidden = step.figures - step.supported if not chosen else 0
    more = len(values) - _MOST_ROWS + (step.more if chosen else 0)
    rows = [_row(value) for value in values[:_MOST_ROWS]]
    notes = [
        *([f"and {more:,} more; --json lists up to {len(step.values):,}"] if more > 0 else []),
        *([f"{hidden:,} rest on no evidence; --unsupported lists them"] if hidden else []),
    ]
    table = [plain_table(("figure", "value", "unit", "rests on"), rows)] if rows else []
    return [*table, *(plain(note, "dim") for note in notes)]


def _row(value: SupportedValue) -> tuple[object, ...]:
    scale = Scale.of(value.unit)
    names = [item.id for item in value.evidence]
    more = [f"and {len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else []
    rests_on = ", ".join([*map(shortened, names[:_MOST_NAMES]), *more]) or "nothing"
    return value.pointer, scale.value(value.value), scale.unit or None, rests_on


def _used(step: StepEvidence, where: EvidenceFilter) -> Sequence[Evidence]:
    """The evidence to describe: all of it, or with a filter that of the chosen values."""
    if not (where.unsupported or where.pointer):
        return step.evidence[:_MOST_ROWS]
    return list({item.id: item for value in step.values[:_MOST_ROWS] for item in value.evidence}.values())


def _evidence_table(items: Sequence[Evidence]) -> RenderableType:
    rows = [
        (
            shortened(item.id),
            shortened(item.kind),
            item.title,
            item.artifact or item.uri,
            "synthetic" if item.synthetic else None,
        )
        for item in items
    ]
    return plain_table(("evidence", "kind", "title", "where", "data"), rows)


def _details_view(items: Sequence[Evidence]) -> list[RenderableType]:
    """What else modules say of the pieces, shortened; `--json` has all of it."""
    rows = [(shortened(item.id), value_text(item.details, _LONGEST_DETAILS)) for item in items if item.details is not None]
    return [Text(""), plain_table(("evidence", "details"), rows)] if rows else []
