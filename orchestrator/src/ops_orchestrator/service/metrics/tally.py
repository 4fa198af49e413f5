"""Counters and histograms of this process: what is added to on the way of a run costs less than a microsecond."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from ops_orchestrator.service.metrics.families import Family

Labels = tuple[str, ...]
Value = float | list[float]
"""Of a histogram: how many fell into each bucket, the last of which has no bound, and their sum."""

Sample = tuple[Labels, Value]
Samples = dict[str, list[Sample]]
"""Values by the name of their family, as they are passed on to the worker that answers a scrape."""


@dataclass
class _Histogram:
    counts: list[int]
    total: float = 0.0


@dataclass
class Tally:
    """What was counted since the process began. Whoever adds holds `lock`; see `samples` for what it comes to."""

    lock: Lock = field(default_factory=Lock)
    _counters: dict[str, dict[Labels, float]] = field(default_factory=dict)
    _histograms: dict[str, dict[Labels, _Histogram]] = field(default_factory=dict)

    def begin(self, family: Family, every: Iterable[Labels] = ((),)) -> None:
        """Count these from nothing: of a series that begins with its first event, nobody can tell that it rose."""
        for labels in every:
            if family.kind == "counter":
                self._counters.setdefault(family.name, {}).setdefault(labels, 0.0)
            else:
                self._histogram(family, labels)

    def add(self, family: Family, labels: Labels = ()) -> None:
        """Count one more."""
        counted = self._counters.setdefault(family.name, {})
        counted[labels] = counted.get(labels, 0.0) + 1.0

    def observe(self, family: Family, value: float, labels: Labels = ()) -> None:
        """Take a value into a histogram. A clock that was set back measures nothing."""
        histogram = self._histogram(family, labels)
        value = max(value, 0.0)
        histogram.counts[bisect_left(family.buckets, value)] += 1
        histogram.total += value

    def samples(self) -> Samples:
        """All values as of now."""
        with self.lock:
            found: Samples = {name: list(values.items()) for name, values in self._counters.items()}
            for name, histograms in self._histograms.items():
                found[name] = [(labels, [*each.counts, each.total]) for labels, each in histograms.items()]
            return found

    def _histogram(self, family: Family, labels: Labels) -> _Histogram:
        known = self._histograms.get(family.name)
        if known is None:
            known = self._histograms[family.name] = {}
        histogram = known.get(labels)
        if histogram is None:
            histogram = known[labels] = _Histogram([0] * (len(family.buckets) + 1))
        return histogram


def from_json(document: Any) -> Samples:
    """The samples that a sibling passed on as JSON. Raises TypeError, ValueError, AttributeError for anything else."""
    return {name: [(tuple(labels), value) for labels, value in samples] for name, samples in document.items()}
