"""The data of a chart of figures against a parameter, and what its marks are called."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

from ops_orchestrator.charts.sheet import Sign
from ops_orchestrator.charts.spread import Spread
from ops_orchestrator.charts.svg import Link


@dataclass(frozen=True)
class Group:
    """The runs at one value of a parameter: `at` is the value where it is a number, `label` the value as text.

    `figures` are those of the runs that are drawn one by one, and `links` where their marks lead, if anywhere. A group without
    a spread has failed runs only.
    """

    label: str
    at: float | None = None
    figures: tuple[float, ...] = ()
    spread: Spread | None = None
    baseline: float | None = None
    failed: int = 0
    links: tuple[Link | None, ...] = ()
    failed_link: Link | None = None

    @property
    def runs(self) -> Iterator[tuple[float, Link | None]]:
        """The figures that are drawn one by one, with where they lead."""
        return zip(self.figures, self.links or repeat(None), strict=False)


@dataclass(frozen=True)
class Names:
    """What the marks of a plot are called in the key and at the end of their lines."""

    middle: str = "median"
    band: str = "from the least to the most"
    baseline: str = "baseline"
    run: str = "one run"
    failed: str = "failed run, no figure"
    own: str = "in the scenario"


@dataclass(frozen=True)
class Plot:
    """Figures against a parameter. Where each group has a number `at`, they stand along an axis, else side by side.

    `own` is the label of the group, or the number, that the parameter has where nobody changes it.
    """

    groups: tuple[Group, ...]
    parameter: str
    names: Names = Names()
    own: float | str | None = None
    is_change: bool = False

    @property
    def is_numeric(self) -> bool:
        """Do the groups stand along an axis of numbers?"""
        return all(group.at is not None for group in self.groups)

    @property
    def has_band(self) -> bool:
        """Is there a value of the parameter at which the runs differ?"""
        return any(group.spread and group.spread.low < group.spread.high for group in self.groups)

    @property
    def has_links(self) -> bool:
        """Do marks lead somewhere?"""
        return any(group.links or group.failed_link for group in self.groups)

    def values(self) -> Iterator[float]:
        """All numbers that the upright axis has to cover."""
        for group in self.groups:
            yield from group.figures
            if group.spread:
                yield from (group.spread.low, group.spread.middle, group.spread.high)
            if group.baseline is not None:
                yield group.baseline

    def key(self, *, with_runs: bool) -> Iterator[tuple[Sign, str]]:
        """The marks that are drawn, with their meanings."""
        several = any(len(group.figures) > 1 for group in self.groups)
        if any(group.spread for group in self.groups):
            yield "line", self.names.middle
        if self.has_band:
            yield "band" if self.is_numeric else "range", self.names.band
        if any(group.baseline is not None for group in self.groups):
            yield "dash", self.names.baseline
        if with_runs and several:
            yield "dot", self.names.run
        if any(group.failed for group in self.groups):
            yield "failed", self.names.failed
