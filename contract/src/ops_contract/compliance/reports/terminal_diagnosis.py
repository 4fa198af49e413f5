"""A diagnosis, for a terminal."""

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ops_contract.compliance.diagnosis import Diagnosis


def terminal_diagnosis(diagnosis: Diagnosis) -> RenderableType:
    """The finding, what was seen and what to try, on one screen."""
    mark = Text("✓ ", "green") if diagnosis.healthy else Text("✗ ", "red")
    seen = (Padding(Text(line, "dim", overflow="fold"), (0, 0, 0, 2)) for line in diagnosis.seen)
    advice = Table.grid(padding=(0, 1))
    for line in diagnosis.advice:
        advice.add_row(Text("→", "green"), Text(line, overflow="fold"))
    return Group(mark + Text(diagnosis.finding, "bold"), *seen, advice)
