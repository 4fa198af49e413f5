"""A good and a bad example of every requirement, read from examples.toml."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType


@dataclass(frozen=True)
class Example:
    """What meets a requirement, and what does not.

    Lines begin with `>` for what a caller sends, `<` for what a module answers, and `#` for a remark.
    """

    good: str
    bad: str


@cache
def load_examples() -> Mapping[str, Example]:
    """The examples of every requirement by its id."""
    written = tomllib.loads(files(__package__).joinpath("examples.toml").read_text(encoding="utf-8"))
    examples = {identifier: Example(row["good"].strip("\n"), row["bad"].strip("\n")) for identifier, row in written.items()}
    return MappingProxyType(examples)
