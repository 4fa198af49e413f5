"""A sweep as it is answered, by the service and by commands."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from ops_orchestrator.planning.sweep import SweepRequest
from ops_orchestrator.runs.sweeps.state import SweepState
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore
from ops_orchestrator.runs.sweeps.table import PointStatus, SweepRow, SweepTable, table_of


class SweepAnswer(SweepState):
    """A sweep as far as it is, where it is kept, and the files that it has: `GET /sweeps/{sweep_id}/FILE` has each."""

    sweep_path: str
    files: list[str]

    @classmethod
    def of(cls, state: SweepState, store: SweepStore) -> Self:
        """The answer about a sweep in `store`. Blocks."""
        return cls(**dict(state), sweep_path=f"{store.location(state.sweep_id)}/", files=store.files(state.sweep_id))


class SweepList(BaseModel):
    """One page of sweeps, newest first; `next_cursor` is null on the last page."""

    sweeps: list[SweepState]
    next_cursor: str | None


class FigureOfPoint(BaseModel):
    """A figure that a point's run found; null where the module gave no number."""

    step: str
    key: str
    label: str
    unit: str
    value: float | None
    baseline: float | None
    change: float | None


class PointAnswer(BaseModel):
    """A point of a sweep: `parameters` by pointer into the inputs; there is no run while it is pending."""

    number: int
    parameters: dict[str, Any]
    seed: int
    status: PointStatus
    run_id: str | None
    synthetic: Annotated[bool, Field(description="whether figures are made up, or rest on what is")]
    message: Annotated[str, Field(description="why its run did not complete; empty for any other")]
    figures: list[FigureOfPoint]

    @classmethod
    def of(cls, table: SweepTable, row: SweepRow) -> Self:
        """The answer about a row of the table."""
        return cls(
            number=row.number,
            parameters={parameter.pointer: value for parameter, value in zip(table.parameters, row.parameters, strict=True)},
            seed=row.seed,
            status=row.status,
            run_id=row.run_id,
            synthetic=row.synthetic,
            message=row.message,
            figures=list(_figures(table, row)),
        )


class PointList(BaseModel):
    """One page of the points of a sweep, by number; `next_after` is null on the last page."""

    sweep_id: str
    points: list[PointAnswer]
    next_after: int | None

    @classmethod
    def of(cls, store: SweepStore, sweep_id: str, limit: int, after: int = 0, status: PointStatus | None = None) -> Self:
        """Up to `limit` points of a sweep that come after the number `after`, with this status. Blocks.

        With `failed` those that the sweep counts as failed: their runs are over and did not complete, whatever ended them.
        """
        request = store.request(sweep_id)
        chosen = iter(_numbers(store, sweep_id, request, after, status))
        numbers = tuple(islice(chosen, limit))
        table = table_of(sweep_id, request, store.outcomes(sweep_id, frozenset(numbers)), numbers)
        listed = [PointAnswer.of(table, row) for row in table.rows]
        more = next(chosen, None) is not None
        return cls(sweep_id=sweep_id, points=listed, next_after=numbers[-1] if more else None)


def _numbers(store: SweepStore, sweep_id: str, request: SweepRequest, after: int, status: PointStatus | None) -> Iterable[int]:
    """The numbers of the points after one that have this status."""
    numbers = request.numbers[after:]
    if status is None:
        return numbers
    over = store.statuses(sweep_id, request.size)
    return (number for number in numbers if _is(over.get(number, "pending"), status))


def _is(found: PointStatus, status: PointStatus) -> bool:
    return found not in ("pending", "completed") if status == "failed" else found == status


def _figures(table: SweepTable, row: SweepRow) -> Iterator[FigureOfPoint]:
    for column, cell in zip(table.figures, row.figures, strict=True):
        if cell is not None:
            yield FigureOfPoint(**vars(column), value=cell.value, baseline=cell.baseline, change=cell.change)
