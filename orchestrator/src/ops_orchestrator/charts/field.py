"""Where the parts of a plot stand: its axes, its groups, and the labels for which there is room."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

from ops_orchestrator.charts.plot import Group, Plot
from ops_orchestrator.charts.scale import Axis, axis, inner_axis
from ops_orchestrator.charts.words import shortened, width

# Above that many, a parameter's own values are too close for an axis.
_MOST_OWN_VALUES: Final = 40
_MOST_NUMBER_WIDTH: Final = 110
# So that a mark at the first value does not touch the upright axis.
_INSET: Final = 10
_OVERHANG: Final = 16


@dataclass(frozen=True)
class Frame:
    """Where the field is on the sheet."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """From the left to the right."""
        return self.right - self.left


@dataclass(frozen=True)
class Field:
    """A plot in its frame. `is_small` leaves out single runs and all but a few labels."""

    plot: Plot
    frame: Frame
    upright: Axis
    is_small: bool = False

    def y(self, value: float) -> float:
        """The height of a figure on the sheet."""
        return self.frame.bottom - self.upright.share(value) * (self.frame.bottom - self.frame.top)

    @cached_property
    def placed(self) -> list[tuple[float, Group]]:
        """The groups with where they stand from left to right."""
        if self.plot.is_numeric:
            return [(self.across(group.at), group) for group in self.plot.groups if group.at is not None]
        return [(self.frame.left + (index + 0.5) * self.place, group) for index, group in enumerate(self.plot.groups)]

    @property
    def place(self) -> float:
        """The room for one group, were they side by side."""
        return self.frame.width / len(self.plot.groups)

    def across(self, value: float) -> float:
        """Where a number of the parameter lies from left to right."""
        room = self.frame.width - 2 * _INSET
        return self.frame.left + _INSET + self._level.share(value) * room

    @cached_property
    def labels(self) -> list[tuple[float, str]]:
        """The labels below the field, none of which touches another, and where they stand."""
        if self._has_round_labels:
            every = [(self.across(tick.value), tick.label) for tick in self._level.ticks]
        else:
            most = _MOST_NUMBER_WIDTH if self.plot.is_numeric else self.place * (0.94 if len(self.placed) < 12 else 2)
            every = [(x, shortened(group.label, most)) for x, group in self.placed]
        if self.plot.is_numeric and self.is_small:
            every = self._few(every)
        every = [(self._within(x, label), label) for x, label in every]
        if self.plot.is_numeric and not (self.is_small or self._has_round_labels or _are_even(every)):
            return self._uneven(every)
        strides = range(1, len(every) + 1)
        return next((some for stride in strides if not _touch(some := every[::stride])), every[:1])

    @cached_property
    def power(self) -> str:
        """What the numbers below the field are multiplied by."""
        return self._level.power if self._has_round_labels else ""

    @cached_property
    def own(self) -> float | None:
        """Where the parameter has the value that nobody changed, if that is in the frame."""
        match self.plot.own:
            case str() as label:
                return next((x for x, group in self.placed if group.label == label), None)
            case None:
                return None
            case number if self.plot.is_numeric and 0 <= self._level.share(number) <= 1:
                return self.across(number)
        return None

    def _uneven(self, labels: list[tuple[float, str]]) -> list[tuple[float, str]]:
        """Those that have room; the first, the last and that of the value that nobody changed go before the others."""
        own = next((index for index, (_, group) in enumerate(self.placed) if group.at == self.plot.own), 0)
        if _touch([labels[0], labels[own]]) or _touch([labels[own], labels[-1]]):
            return _kept_apart(labels)
        return [*_kept_apart(labels[: own + 1]), *_kept_apart(labels[own:])[1:]]

    def _few(self, labels: list[tuple[float, str]]) -> list[tuple[float, str]]:
        """The first, the last, and that of the value between which nobody changed, if there is room for it."""
        last = len(labels) - 1
        own = (index for index, (_, group) in enumerate(self.placed) if group.at == self.plot.own)
        some = [labels[index] for index in sorted({0, next(own, 0 if last % 2 else last // 2), last})]
        return [some[0], some[-1]] if len(some) == 3 and _touch(some) else some

    def _within(self, x: float, label: str) -> float:
        """The middle of a label that stands at `x`, or as near to it as the frame lets it."""
        reach = width(label) / 2
        return min(max(x, self.frame.left - _OVERHANG + reach), self.frame.right + _OVERHANG - reach)

    @property
    def _has_round_labels(self) -> bool:
        return self.plot.is_numeric and not self.is_small and len(self.plot.groups) > _MOST_OWN_VALUES

    @cached_property
    def _level(self) -> Axis:
        return inner_axis([group.at for group in self.plot.groups if group.at is not None], 8)


def _are_even(labels: list[tuple[float, str]]) -> bool:
    gaps = [right - left for (left, _), (right, _) in pairwise(labels)]
    return not gaps or max(gaps) - min(gaps) < 1


def _kept_apart(labels: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """The first and the last of labels from left to right, and those between which touch neither them nor one another."""
    if len(labels) == 1:
        return labels
    first, *between, last = labels
    kept = [first]
    for label in between:
        if not _touch([kept[-1], label]) and not _touch([label, last]):
            kept.append(label)
    return kept if _touch([first, last]) else [*kept, last]


def left_margin(upright: Axis) -> float:
    """The room that the labels of an upright axis need."""
    return max(width(tick.label) for tick in upright.ticks) + 10


def upright_axis(plot: Plot, most: int = 8) -> Axis:
    """The axis for the figures of a plot. Changes are seen against none."""
    values = list(plot.values()) or [0.0]
    return axis([*values, 0.0] if plot.is_change else values, most, signed=plot.is_change)


def _touch(labels: Sequence[tuple[float, str]]) -> bool:
    return any(left + width(a) / 2 + 6 > right - width(b) / 2 for (left, a), (right, b) in pairwise(labels))
