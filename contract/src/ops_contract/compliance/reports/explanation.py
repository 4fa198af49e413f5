"""What a requirement means, for a terminal and for programs."""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops_contract.compliance.examples import load_examples
from ops_contract.compliance.requirement import Requirement

_STYLES = {">": "cyan", "<": "", "#": "dim"}


def explanation(requirement: Requirement) -> dict[str, Any]:
    """The requirement with its examples, for programs."""
    example = load_examples()[requirement.id]
    return requirement.as_json() | {"good": example.good, "bad": example.bad}


def terminal_explanation(requirement: Requirement) -> RenderableType:
    """The requirement, why it is there, how to meet it, and an example of what does and of what does not."""
    example = load_examples()[requirement.id]
    title = Text.assemble(
        (requirement.id, "bold"), f"  {requirement.level} · {requirement.profile} · since {requirement.since}"
    )
    reasons = Table.grid(padding=(0, 2))
    for label, text in (("Why", requirement.why), ("Remedy", requirement.remedy)):
        reasons.add_row(Text(label, "bold"), Text(text, overflow="fold"))
    return Group(
        title,
        Text(""),
        Text(requirement.statement, overflow="fold"),
        Text(""),
        reasons,
        Text(""),
        *_example("✓ Good", "bold green", example.good),
        Text(""),
        *_example("✗ Bad", "bold red", example.bad),
        Text(""),
        Text.assemble("Look at a module: ", (f"ops-contract replay {requirement.id} URL", "cyan")),
    )


def _example(title: str, style: str, text: str) -> Iterator[RenderableType]:
    yield Text(title, style)
    for line in text.split("\n"):
        yield Text(f"  {line}", _STYLES.get(line[:1], ""), overflow="fold")
