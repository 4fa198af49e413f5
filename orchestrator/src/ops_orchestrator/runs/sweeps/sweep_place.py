"""Where sweeps are kept, and who writes one: folders on a disk, or objects in a bucket. What is here blocks.

A place knows names and bytes, and what they mean SweepStore knows. It raises FileNotFoundError and NotPlainError for what is
not there as it should be, and OSError or StoreError for what cannot be read or written now.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

from ops_orchestrator.runs.store.plain_file import OpenFile
from ops_orchestrator.runs.sweeps.points_log import PointOutcome
from ops_orchestrator.runs.sweeps.state import SweepState

REQUEST: Final = "request.json"
POINTS: Final = "points.jsonl"
STATE: Final = "sweep.json"
CANCEL: Final = ".cancel"

OWN: Final = (REQUEST, POINTS, STATE)
LARGEST_FILE_BYTES: Final = 64 * 1024 * 1024
LONGEST_LINE_BYTES: Final = 1024 * 1024
LONGEST_WORD_BYTES: Final = 1_000

Asked = TypeVar("Asked")
Found = TypeVar("Found")


class Cancellation(NamedTuple):
    """How a sweep was cancelled, in words, and the name of the key of whoever did it, as in RunCancelling."""

    by: str
    caller: str | None

    def as_word(self) -> bytes:
        """The word that is left for whoever executes the sweep."""
        return "\n".join(part for part in self if part).encode()


def cancellation_of(word: bytes) -> Cancellation:
    """What `as_word` wrote."""
    by, _, caller = word.decode(errors="replace").partition("\n")
    return Cancellation(by, caller or None)


class Pace(NamedTuple):
    """In seconds, how long points are gathered, and how often the state is written and the word to cancel is looked for."""

    gather_s: float
    save_s: float
    look_s: float


class SweepWriter(Protocol):
    """Writes one sweep, which nobody else does meanwhile. Raises StoreError, of which FencedError means that somebody does."""

    @property
    def pace(self) -> Pace:
        """How often it is worth while to write and to look."""
        ...

    @property
    def cancelled(self) -> Cancellation | None:
        """Who wants the sweep to be cancelled; None when nobody does."""
        ...

    def lines(self) -> Iterator[bytes]:
        """The lines about points that are over, which end in a newline, oldest first."""
        ...

    def add(self, outcomes: Iterable[PointOutcome]) -> None:
        """Note what became of points."""
        ...

    def save(self, state: SweepState) -> None:
        """Write the state; a reader sees the old one or the new one, never a part."""
        ...

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file of the sweep, as `save` does."""
        ...

    def begin_again(self, state: SweepState) -> None:
        """Write the new state, and remove what was made of the points that were over, and the word to cancel the sweep."""
        ...

    def settle(self) -> None:
        """Return when all that was written is on disk, as far as OPS_DURABILITY asks for."""
        ...

    def release(self) -> None:
        """Let others execute the sweep."""
        ...


class SweepPlace(Protocol):
    """Keeps the files of all sweeps by the ids of these. Safe among threads and processes."""

    def location(self, sweep_id: str) -> Path | str:
        """Where people find the sweep: a folder, or an address."""
        ...

    def ids(self) -> list[str]:
        """The ids of all sweeps, in any order."""
        ...

    def has(self, sweep_id: str) -> bool:
        """Whether anything is there of the sweep."""
        ...

    def files(self, sweep_id: str) -> list[str]:
        """The names of its files, the points among them."""
        ...

    def read(self, sweep_id: str, name: str) -> bytes:
        """The content of a file, of LARGEST_FILE_BYTES at most."""
        ...

    def open(self, sweep_id: str, name: str) -> OpenFile:
        """A file to be read; the caller closes it."""
        ...

    def lines(self, sweep_id: str) -> Iterator[bytes]:
        """The lines about points that are over, oldest first; the last one may be a part."""
        ...

    def create(self, state: SweepState, request: bytes) -> SweepWriter:
        """Make a new sweep, which is kept when this returns. Raises FileExistsError when there is one of this id."""
        ...

    def adopt(self, sweep_id: str, files: Iterable[tuple[str, Iterable[bytes]]]) -> None:
        """Keep a sweep that was made elsewhere, in whole or not at all; STATE is the last of its `files`, named, in pieces.

        Raises FileExistsError when there is one of this id.
        """
        ...

    def take(self, sweep_id: str) -> SweepWriter | None:
        """Go on with a sweep; None when somebody executes it, as far as that is known here."""
        ...

    def has_no_holder(self, sweep_id: str) -> bool:
        """Whether nobody executes the sweep, as far as that is known here."""
        ...

    def ask_to_cancel(self, sweep_id: str, word: bytes) -> None:
        """Leave word for whoever executes the sweep, now or later."""
        ...

    def claim(self, key_sha256: str, sweep_id: str) -> str | None:
        """The sweep that holds an idempotency key, as RunIndex.claim says it of runs."""
        ...

    def keep_key(self, key_sha256: str, sweep_id: str) -> None:
        """Give a claimed key to the sweep that was made for it."""
        ...

    def release_key(self, key_sha256: str, sweep_id: str) -> None:
        """Free a key for which the sweep could not be made."""
        ...

    def each(self, find: Callable[[Asked], Found], asked: Iterable[Asked]) -> Iterable[Found]:
        """What is found of each, in this order: several at once where that is faster."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...
