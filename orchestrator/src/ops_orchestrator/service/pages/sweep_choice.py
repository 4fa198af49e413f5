"""What the address of a sweep's page chooses: a figure, how it is read, one seed, and the values whose runs are listed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from ops_orchestrator.runs.sweeps.drawn_figure import Reading
from ops_orchestrator.runs.sweeps.table import FigureColumn


@dataclass(frozen=True)
class Choice:
    """The choices as they stand in the address; empty where nothing is chosen."""

    kpi: str = ""
    reading: Reading = "level"
    seed: str = ""
    at: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Choice":
        """The choices of an address."""
        reading: Reading = "change" if query.get("as") == "change" else "level"
        return cls(query.get("kpi", ""), reading, query.get("seed", "").strip(), query.get("at", ""))

    def address(self, **changes: Any) -> str:
        """The address of the same page with other choices."""
        made = replace(self, **changes)
        chosen = {"kpi": made.kpi, "as": made.reading if made.reading == "change" else "", "seed": made.seed, "at": made.at}
        return f"?{urlencode({name: value for name, value in chosen.items() if value})}"


def name_of(column: FigureColumn) -> str:
    """What a figure is called in an address."""
    return f"{column.step}/{column.key}"
