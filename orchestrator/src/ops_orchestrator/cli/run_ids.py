"""How people name a run on the command line: its id, the beginning of it, or `latest`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from ops_contract import suggestion
from ops_contract.command_line import completing
from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.runs.run_id import RUN_ID
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.store.reading import run_ids_in
from ops_orchestrator.settings import read_settings

_LATEST: Final = "latest"
_MOST_CANDIDATES: Final = 5
# To compare names takes time, and most people mistype a run of today.
_MOST_COMPARED: Final = 200
# A hundred requests to the service.
_MOST_LOOKED_UP: Final = 50_000


@dataclass(frozen=True)
class Kind:
    """What an id names: the noun with which it begins, and the commands that start one and list all."""

    noun: str
    start: str
    listing: str


_RUN: Final = Kind("run", "ops run FILE", "ops runs list")


def _stored(store: Path) -> list[str]:
    """The ids of the runs in the folder `store`, newest first."""
    return sorted(run_ids_in(store), reverse=True)


complete_run_id = completing(lambda _: [_LATEST, *_stored(read_settings().runs_dir)])

RunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run's id or the beginning of it, with or without run_; latest for the newest.",
        autocompletion=complete_run_id,
    ),
]


def find_run_id(store: RunStore, name: str) -> str:
    """The id of the run that `name` stands for. Raises ConfigurationError when it stands for none, or for several."""
    if name == _LATEST:
        return named_run_id(name, [run.run_id for run in store.page(1).runs])
    return named_run_id(name, sorted(store.run_ids(), reverse=True))


async def served_run_id(service: ServiceClient, name: str) -> str:
    """The id of the run of a service that `name` stands for; a whole id is not looked up. Raises as `find_run_id`."""
    if RUN_ID.fullmatch(name):
        return name
    listed = await service.run_ids(1 if name == _LATEST else _MOST_LOOKED_UP)
    if name != _LATEST and not listed.are_all:
        reason = f"the service is still reading its runs, or has more than {_MOST_LOOKED_UP:,}"
        raise ConfigurationError(f"{name!r} cannot be looked up: {reason}; write the whole id, or try again")
    return named_run_id(name, listed.newest)


def named_run_id(name: str, run_ids: Sequence[str]) -> str:
    """That of `run_ids`, newest first, for which `name` stands. Raises ConfigurationError as `find_run_id` does."""
    return named_id(name, run_ids, _RUN)


def named_id(name: str, ids: Sequence[str], kind: Kind) -> str:
    """That of `ids`, newest first, for which `name` stands. Raises ConfigurationError when it stands for none, or several."""
    if name == _LATEST:
        if not ids:
            raise ConfigurationError(f"there are no {kind.noun}s yet; start one with `{kind.start}`")
        return ids[0]
    begins = (name, f"{kind.noun}_{name}")
    found = [each for each in ids if name and each.startswith(begins)]
    if len(found) > 1:
        raise ConfigurationError(
            f"{name!r} is the beginning of {len(found)} {kind.noun}s; write more of it: {listed_ids(found)}"
        )
    if not found:
        meant = suggestion(name, ids[:_MOST_COMPARED])
        raise ConfigurationError(f"there is no {kind.noun} {name!r}; {meant or f'`{kind.listing}` lists them'}")
    return found[0]


def listed_ids(ids: Sequence[str]) -> str:
    """The first few of `ids`, and how many more there are."""
    more = len(ids) - _MOST_CANDIDATES
    return ", ".join(ids[:_MOST_CANDIDATES]) + (f" and {more} more" if more > 0 else "")
