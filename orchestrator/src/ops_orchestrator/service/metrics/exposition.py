"""What all workers counted, in the format that a scraper asks for; loaded for the first scrape, with its library."""

from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ops_orchestrator.service.metrics.families import FAMILIES, WORKER, Family
from ops_orchestrator.service.metrics.tally import Labels, Samples, Value

Metric = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


def rendered(workers: Mapping[int, Samples], accept: str) -> tuple[bytes, str]:
    """The samples of all `workers` by their number, as text, and its media type: OpenMetrics, or what Prometheus had before."""
    registry = CollectorRegistry()
    registry.register(_Told(workers))
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


class _Told(Collector):
    """A collector of values that are known already."""

    def __init__(self, workers: Mapping[int, Samples]) -> None:
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        for family in FAMILIES:
            metric = _metric(family)
            for number, samples in self._workers.items():
                own = () if family.of_service else (str(number),)
                for labels, value in samples.get(family.name, ()):
                    _add(metric, family, (*own, *labels), value)
            yield metric


def _metric(family: Family) -> Metric:
    labels = family.labels if family.of_service else (WORKER, *family.labels)
    match family.kind:
        case "counter":
            return CounterMetricFamily(family.name, family.meaning, labels=labels)
        case "gauge":
            return GaugeMetricFamily(family.name, family.meaning, labels=labels)
        case "histogram":
            return HistogramMetricFamily(family.name, family.meaning, labels=labels)


def _add(metric: Metric, family: Family, labels: Labels, value: Value) -> None:
    if isinstance(metric, HistogramMetricFamily):
        assert isinstance(value, list)  # noqa: S101  # see Value
        *counts, total = value
        bounds = [*map(str, family.buckets), "+Inf"]
        buckets = list(zip(bounds, accumulate(map(float, counts)), strict=True))
        metric.add_metric(labels, buckets, total)
    else:
        assert not isinstance(value, list)  # noqa: S101  # see Value
        metric.add_metric(labels, value)
