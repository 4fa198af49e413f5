"""What a stub is made of: named pure functions and their results."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ops_contract import Evidence, ExecuteRequest
from ops_stubs import __version__

__all__ = ["Action", "BareEndpoint", "File", "Neighbour", "Result", "Stub", "do_nothing"]


@dataclass(frozen=True)
class File:
    """A file that an action made; with `by_href` it is fetched by the caller instead of sent in the envelope.

    `title` and `description` are for people: a caption, and what the file shows.
    """

    name: str
    media_type: str
    content: bytes
    by_href: bool = False
    title: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class Result:
    """What an action found: the success half of an envelope, before it is one."""

    outputs: dict[str, Any]
    artifacts: tuple[File, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    warnings: tuple[str, ...] = ()


Action = Callable[[ExecuteRequest], Result]
"""A pure function of action, inputs, upstream and seed. Raises InputError for inputs it cannot work with."""

BareEndpoint = Callable[[Any], dict[str, Any]]
"""An endpoint from before the contract: takes one annotated pydantic body and returns a JSON object, without an envelope."""


def do_nothing() -> None:
    """Most stubs need no warming up."""


@dataclass(frozen=True)
class Stub:
    """A stand-in for one module; `bare` endpoints are served beside the contract, by path."""

    name: str
    summary: str
    actions: Mapping[str, Action]
    bare: Mapping[str, BareEndpoint] = field(default_factory=dict)
    warm_up: Callable[[], None] = do_nothing
    version: str = __version__


@dataclass(frozen=True)
class Neighbour:
    """A service that does not follow the contract; `paths` lists its endpoints, for people to read."""

    name: str
    summary: str
    paths: tuple[str, ...]
    version: str = __version__
