"""The series over time of a step: its figures by year or period, in `outputs.path` (OPS-FIG-001)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ops_orchestrator.runs.scale import finite, is_number, shortened

MOST_SERIES: Final = 200
"""So many series of a step are read."""

MOST_PERIODS: Final = 2_000
"""So many entries of a path are read."""

_PERIODS: Final = ("year", "period")


@dataclass(frozen=True)
class Series:
    """A figure over time: its values by period, such as 2026 or 2026-Q1, in the order of the path."""

    key: str
    label: str
    unit: str
    values: Mapping[str, float]


def series_of(outputs: Mapping[str, Any]) -> tuple[Series, ...]:
    """The series of a step, headline figures first. Each entry has `scenario`, or else its figures beside its period."""
    path = outputs.get("path")
    values: dict[str, dict[str, float]] = {key: {} for key in _object(outputs, "kpis")}
    for period, figures in _entries(path if isinstance(path, list) else ()):
        for key, value in figures.items():
            if is_number(value) and (number := finite(value)) is not None:
                values.setdefault(key, {})[period] = number
    units, labels = _object(outputs, "units"), _object(outputs, "labels")
    found = [(key, points) for key, points in values.items() if points][:MOST_SERIES]
    return tuple(Series(key, _text(labels.get(key)) or key, _text(units.get(key)), points) for key, points in found)


def _entries(path: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in path[:MOST_PERIODS]:
        name = next((name for name in _PERIODS if isinstance(entry, dict) and name in entry), None)
        if name is None or not isinstance(entry[name], str | int | float):
            continue
        scenario = entry.get("scenario")
        figures = scenario if isinstance(scenario, dict) else {key: entry[key] for key in entry if key not in _PERIODS}
        yield shortened(str(entry[name])), figures


def _object(outputs: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = outputs.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value.strip() else ""
