"""How the points of a sweep lie: along the values of one parameter, between those of two, or among more."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ops_orchestrator.charts.scale import as_given, exact
from ops_orchestrator.planning.sweep import Parameter
from ops_orchestrator.runs.scale import Scale, scaled
from ops_orchestrator.runs.sweeps.table import SweepTable


@dataclass(frozen=True)
class Side:
    """The different values of a parameter, in their order, and the one of them at which each row of the table is.

    `numbers` is None where not all values are numbers. `own_label` is the label of the scenario's own value, None where the
    sweep does not have it; `own_number` is that value on the axis.
    """

    name: str
    unit: str
    labels: tuple[str, ...]
    places: tuple[int, ...]
    numbers: tuple[float, ...] | None = None
    own_label: str | None = None
    own_number: float | None = None

    @property
    def own_place(self) -> int | None:
        """The place of the scenario's own value; None where the sweep does not have it."""
        return None if self.own_label is None else self.labels.index(self.own_label)

    @property
    def name_and_unit(self) -> str:
        """What stands at the axis."""
        return f"{self.name}, {self.unit}" if self.unit else self.name


@dataclass(frozen=True)
class _Column:
    """A parameter with its value in each row, as a key that is the same for equal values."""

    parameter: Parameter
    values: Sequence[Any]
    keys: tuple[object, ...]

    @property
    def distinct(self) -> int:
        return len(set(self.keys))

    def decides(self, other: "_Column") -> bool:
        """Has the other parameter one value only for each value of this one?"""
        return len(set(zip(self.keys, other.keys, strict=True))) == self.distinct


def sides_of(table: SweepTable) -> tuple[Side, ...]:
    """The parameters that change on their own, each with those that change along with it; one where only the seed changes."""
    columns = [_column(table, index) for index in range(len(table.parameters))]
    varying = [column for column in columns if column.distinct > 1] or columns[:1]
    if not varying:
        return (Side("seed", "", (f"all {len(table.rows):,} seeds",), (0,) * len(table.rows)),)
    leading: dict[int, list[_Column]] = {}
    for column in sorted(varying, key=lambda column: -column.distinct):
        leader = next((one for one in leading if columns[one].decides(column)), None)
        if leader is None:
            leading[columns.index(column)] = []
        else:
            leading[leader].append(column)
    return tuple(_side(columns[index], leading[index]) for index in sorted(leading))


def value_key(value: Any) -> object:
    """What is the same for equal values of a parameter, and differs for `1`, `true` and `"1"`."""
    return json.dumps(value, sort_keys=True) if scaled(value) is None else exact(value).normalize()


def _column(table: SweepTable, index: int) -> _Column:
    values = [row.parameters[index] for row in table.rows]
    return _Column(table.parameters[index], values, tuple(map(value_key, values)))


def _side(column: _Column, companions: Sequence[_Column]) -> Side:
    scale = Scale.of(column.parameter.unit)
    values = dict(zip(column.keys, column.values, strict=True))
    numbers = {key: number for key, value in values.items() if (number := scaled(value, scale.factor)) is not None}
    is_numeric = len(numbers) == len(values)
    keys = sorted(numbers, key=numbers.__getitem__) if is_numeric else list(values)
    places = {key: place for place, key in enumerate(keys)}
    labels = as_given([numbers[key] for key in keys]) if is_numeric else [_label(values[key]) for key in keys]
    own = None if companions else column.parameter.own
    return Side(
        name=_name(column.parameter, companions),
        unit=" ".join(filter(None, (scale.sign, scale.unit))) if is_numeric else "",
        labels=tuple(labels),
        places=tuple(places[key] for key in column.keys),
        numbers=tuple(numbers[key] for key in keys) if is_numeric else None,
        own_label=None if own is None else dict(zip(keys, labels, strict=True)).get(value_key(own)),
        own_number=scaled(own, scale.factor) if is_numeric else None,
    )


def _name(parameter: Parameter, companions: Iterable[_Column]) -> str:
    others = ", ".join(column.parameter.label for column in companions)
    return f"{parameter.label}, with {others}" if others else parameter.label


def _label(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
