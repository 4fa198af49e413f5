"""What a service says at `/metrics`, read by Prometheus' own parser."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import starmap

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

OPENMETRICS = "application/openmetrics-text"


@dataclass(frozen=True)
class Scraped:
    """The values of one scrape."""

    samples: tuple[tuple[str, Mapping[str, str], float], ...]

    @classmethod
    def of(cls, text: str, media_type: str = "text/plain") -> "Scraped":
        """What `text` says."""
        read = read_openmetrics if media_type.startswith(OPENMETRICS) else text_string_to_metric_families
        return cls(tuple((sample.name, sample.labels, sample.value) for family in read(text) for sample in family.samples))

    def values(self, name: str, **labels: str) -> Iterator[float]:
        """The values of a metric whose labels are these, and perhaps more."""
        return (value for known, has, value in self.samples if known == name and labels.items() <= has.items())

    def value(self, name: str, **labels: str) -> float:
        """Their sum."""
        return sum(self.values(name, **labels))

    def series(self, name: str) -> list[Mapping[str, str]]:
        """The labels of each value of a metric."""
        return [labels for known, labels, _ in self.samples if known == name]

    @property
    def label_values(self) -> set[str]:
        """The values of all labels."""
        return {value for labels in starmap(lambda _, labels, __: labels, self.samples) for value in labels.values()}
