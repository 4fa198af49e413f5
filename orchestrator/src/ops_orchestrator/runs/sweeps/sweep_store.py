"""All sweeps, wherever they are kept: makes, finds and lists them, and knows what their files mean. What is here blocks.

A sweep has `request.json`, as it was asked for; `points.jsonl`, a line for each point that is over; `sweep.json`, the state;
and what is made of them at the end, such as `table.csv`.
"""

from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from pydantic import ValidationError

from ops_contract import JsonError, parse_json, terminal_safe
from ops_orchestrator.errors import DamagedSweepError, InvalidRequestError, NotFoundError, StoreError, SweepConflictError
from ops_orchestrator.planning.sweep import SweepRequest, read_sweep
from ops_orchestrator.runs.events import Status
from ops_orchestrator.runs.run_id import SWEEP_ID
from ops_orchestrator.runs.store.plain_file import NotPlainError, OpenFile
from ops_orchestrator.runs.store.sync import sync_of
from ops_orchestrator.runs.sweeps.folder_place import FolderPlace
from ops_orchestrator.runs.sweeps.points_log import PointOutcome, latest, statuses_in
from ops_orchestrator.runs.sweeps.state import FORMAT, Counts, SweepState
from ops_orchestrator.runs.sweeps.sweep_place import (
    CANCEL,
    OWN,
    POINTS,
    REQUEST,
    STATE,
    Cancellation,
    SweepPlace,
    SweepWriter,
)
from ops_orchestrator.runs.sweeps.table import SweepTable, table_of
from ops_orchestrator.settings import Durability, SyncMethod

_MOST_POINTS: Final = 10_000_000
"""What was accepted once is read again whatever the limit is now."""
_HELPERS: Final = (CANCEL,)
_USUAL_REMEDY: Final = "restore the sweep's folder from a copy, or remove it"


class SweepStore:
    """The sweeps in `place`. Several processes can share it. Raises NotFoundError, StoreError.

    With a queue, whoever takes it from there goes on with a sweep that its process left: it counts as running.
    """

    def __init__(self, place: SweepPlace, *, has_queue: bool = False) -> None:
        self._place = place
        self._has_queue = has_queue

    @classmethod
    def open(
        cls, runs_folder: Path, durability: Durability = "sync", sync: SyncMethod = "syncfs", *, has_queue: bool = False
    ) -> Self:
        """The sweeps of the runs in `runs_folder`, which is there."""
        try:
            return cls(FolderPlace(runs_folder, sync_of(runs_folder, durability, sync)), has_queue=has_queue)
        except OSError as error:
            raise StoreError(f"cannot open the run store {runs_folder}: {error.strerror}") from error

    def close(self) -> None:
        """Let go of what is held open."""
        self._place.close()

    def location(self, sweep_id: str) -> Path | str:
        """Where people find the sweep: a folder, or an address."""
        return self._place.location(sweep_id)

    def create(self, state: SweepState, request: bytes) -> SweepWriter:
        """Make a new sweep, which is kept when this returns; whoever called executes it. Raises FileExistsError."""
        with _writing(state.sweep_id):
            return self._place.create(state, terminal_safe(request))

    def take(self, sweep_id: str) -> tuple[SweepWriter, SweepState] | None:
        """A sweep, to go on with it, and its state; None when somebody executes it."""
        with self._reading(_checked(sweep_id), POINTS):
            writer = self._place.take(sweep_id)
        if writer is None:
            return None
        try:
            return writer, self._state(sweep_id)
        except BaseException:
            writer.release()
            raise

    def reopen(self, sweep_id: str) -> tuple[SweepWriter, SweepState]:
        """A sweep that nobody executes, to go on with it. Raises SweepConflictError when somebody does."""
        taken = self.take(sweep_id)
        if taken is not None and not self._goes_on(taken[1]):
            return taken
        if taken is not None:
            taken[0].release()
        raise SweepConflictError(f"{sweep_id} is running: only a sweep that is over can be resumed; wait for it, or cancel it.")

    def state(self, sweep_id: str) -> SweepState:
        """How far a sweep is. One that is not over, and with which nobody goes on, is `interrupted`."""
        state = self._state(sweep_id)
        if state.is_over or self._goes_on(state) or not self._place.has_no_holder(sweep_id):
            return state
        # Read again: it may have ended meanwhile.
        state = self._state(sweep_id)
        return state if state.is_over else self._interrupted(state)

    def body(self, sweep_id: str) -> bytes:
        """What was asked for, as it was sent."""
        return self._content(sweep_id, REQUEST)

    def request(self, sweep_id: str) -> SweepRequest:
        """What was asked for."""
        try:
            return read_sweep(self.body(sweep_id), max_points=_MOST_POINTS)
        except InvalidRequestError as error:
            raise _damaged(f"{self.location(sweep_id)}/{REQUEST}", str(error)) from error

    def outcomes(self, sweep_id: str, wanted: Container[int]) -> dict[int, PointOutcome]:
        """By number, what became of those of the `wanted` points that are over."""
        with self._reading(sweep_id, POINTS):
            return latest(self._place.lines(_checked(sweep_id)), wanted)

    def statuses(self, sweep_id: str, size: int) -> dict[int, Status]:
        """By number, how those of the `size` points that are over ended."""
        with self._reading(sweep_id, POINTS):
            return statuses_in(self._place.lines(_checked(sweep_id)), size)

    def table(self, sweep_id: str) -> SweepTable:
        """What the sweep found so far."""
        request = self.request(sweep_id)
        return table_of(sweep_id, request, self.outcomes(sweep_id, request.numbers))

    def ids(self) -> list[str]:
        """The ids of all sweeps, newest first."""
        try:
            names = self._place.ids()
        except OSError as error:
            raise StoreError(f"cannot read {self.location('')}: {error.strerror}") from error
        return sorted((name for name in names if SWEEP_ID.fullmatch(name)), reverse=True)

    def page(self, limit: int, after: str | None = None) -> tuple[list[SweepState], str | None]:
        """Up to `limit` sweeps, newest first, that come after the sweep `after`; and the last one's id if there are more.

        One that cannot be read is left out.
        """
        ids = [sweep_id for sweep_id in self.ids() if after is None or sweep_id < after]
        states = [state for state in self._place.each(self._readable_state, ids[:limit]) if state is not None]
        return states, ids[limit - 1] if len(ids) > limit else None

    def files(self, sweep_id: str) -> list[str]:
        """The names of the files that people may want of a sweep, sorted."""
        with self._reading(sweep_id, ""):
            files = self._place.files(_checked(sweep_id))
        return [name for name in files if name not in _HELPERS and not name.endswith(".part")]

    def open_file(self, sweep_id: str, name: str) -> OpenFile:
        """One of the `files` of a sweep; the caller closes it."""
        if name not in self.files(sweep_id):
            raise NotFoundError(f"{sweep_id} has no {name!r}.", f"/sweeps/{sweep_id}")
        with self._reading(sweep_id, name):
            return self._place.open(sweep_id, name)

    def stored_state(self, sweep_id: str) -> tuple[SweepState, bytes]:
        """The state as it was written last, also by a process that is no more, and the file that has it."""
        content = self._content(sweep_id, STATE)
        return self._parsed(sweep_id, content), content

    def adopt(self, sweep_id: str, files: Iterable[tuple[str, Iterable[bytes]]]) -> None:
        """Keep a sweep that was made elsewhere; see SweepPlace. Raises FileExistsError."""
        with _writing(sweep_id):
            self._place.adopt(_checked(sweep_id), files)

    def left(self) -> list[str]:
        """The ids of sweeps that are not over, and that nobody executes, as far as that is known here."""
        return [sweep_id for sweep_id in self.ids() if self._is_left(sweep_id)]

    def queued(self, known: set[str]) -> list[str]:
        """The ids of sweeps that are to stand in the queue; those in `known` are over, and what is found so is added."""
        found = []
        for sweep_id in self.ids():
            if sweep_id not in known and (state := self._readable_state(sweep_id)) is not None:
                if state.is_over:
                    known.add(sweep_id)
                elif self._goes_on(state):
                    found.append(sweep_id)
        return found

    def claim(self, key_sha256: str, sweep_id: str) -> str | None:
        """The sweep that holds an idempotency key, as RunIndex.claim says it of runs."""
        with _writing(sweep_id):
            return self._place.claim(key_sha256, sweep_id)

    def keep_key(self, key_sha256: str, sweep_id: str) -> None:
        """Give a claimed key to the sweep that was made for it."""
        with _writing(sweep_id):
            self._place.keep_key(key_sha256, sweep_id)

    def release_key(self, key_sha256: str, sweep_id: str) -> None:
        """Free a key for which the sweep could not be made."""
        with _writing(sweep_id):
            self._place.release_key(key_sha256, sweep_id)

    def ask_to_cancel(self, sweep_id: str, by: str, caller: str | None = None) -> None:
        """Leave word for whoever executes the sweep, in whatever process, that it is to end. See Cancellation."""
        with _writing(sweep_id):
            self._place.ask_to_cancel(_checked(sweep_id), Cancellation(by, caller).as_word())

    def _goes_on(self, state: SweepState) -> bool:
        """Whether the sweep is not over, and others take it from the queue when nobody executes it."""
        return self._has_queue and state.drivers is not None and not state.is_over

    def _is_left(self, sweep_id: str) -> bool:
        with suppress(NotFoundError, StoreError):
            return not self._state(sweep_id).is_over and self._place.has_no_holder(sweep_id)
        return False

    def _readable_state(self, sweep_id: str) -> SweepState | None:
        with suppress(NotFoundError, StoreError):
            return self.state(sweep_id)
        return None

    def _state(self, sweep_id: str) -> SweepState:
        return self.stored_state(sweep_id)[0]

    def _parsed(self, sweep_id: str, content: bytes) -> SweepState:
        _check_format(f"{self.location(sweep_id)}/{STATE}", content)
        try:
            state = SweepState.model_validate_json(content)
        except ValidationError as error:
            raise _damaged(f"{self.location(sweep_id)}/{STATE}", "it does not have the right shape") from error
        if state.sweep_id != sweep_id:
            raise _damaged(f"{self.location(sweep_id)}/{STATE}", f"it belongs to {state.sweep_id[:60]!r}")
        return state

    def _interrupted(self, state: SweepState) -> SweepState:
        """The state of a sweep whose process ended before it could write it."""
        over = self.statuses(state.sweep_id, state.points.total).values()
        completed = sum(status == "completed" for status in over)
        counts = Counts(total=state.points.total, completed=completed, failed=len(over) - completed)
        message = (
            "the process that executed the sweep ended, or could not write, before all points were run; "
            f"`ops sweep resume {state.sweep_id}` goes on with it"
        )
        error = {"code": "INTERRUPTED", "message": message}
        return state.model_copy(update={"status": "interrupted", "error": error, "points": counts, "seconds_left": None})

    def _content(self, sweep_id: str, name: str) -> bytes:
        with self._reading(sweep_id, name):
            return self._place.read(_checked(sweep_id), name)

    @contextmanager
    def _reading(self, sweep_id: str, name: str) -> Iterator[None]:
        place = f"{self.location(sweep_id)}/{name}"
        try:
            yield
        except FileNotFoundError as error:
            if name in OWN and self._place.has(sweep_id):
                remedy = f"`ops sweep resume {sweep_id}` makes it again" if name == POINTS else _USUAL_REMEDY
                raise _damaged(place, "the file is missing", remedy) from error
            raise NotFoundError(f"There is no sweep {sweep_id}.", "/sweeps") from error
        except NotPlainError as error:
            raise _damaged(place, error.reason) from error
        except OSError as error:
            raise StoreError(f"cannot read {name or 'the folder'} of {sweep_id}: {error.strerror}") from error


def _checked(sweep_id: str) -> str:
    """`sweep_id` if it is one, so that no path can be made of anything else. Raises NotFoundError."""
    if not SWEEP_ID.fullmatch(sweep_id):
        raise NotFoundError(f"{sweep_id!r} is not the id of a sweep.", "/sweeps")
    return sweep_id


@contextmanager
def _writing(sweep_id: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except NotPlainError as error:
        raise _damaged(f"sweeps/{sweep_id}/{POINTS}", error.reason) from error
    except OSError as error:
        raise StoreError(f"cannot write the sweep {sweep_id}: {error.strerror}") from error


def _check_format(path: str, content: bytes) -> None:
    """Raise StoreError for a sweep in a format of a later version: nothing in it may mean what it seems to."""
    with suppress(JsonError):
        document = parse_json(content)
        found = document.get("format") if isinstance(document, dict) else None
        if isinstance(found, int) and found > FORMAT:
            raise _damaged(path, f"made by a later version of the orchestrator, format {found}", "upgrade to read it")


def _damaged(path: str, reason: str, remedy: str = _USUAL_REMEDY) -> DamagedSweepError:
    return DamagedSweepError(f"{path} is damaged: {reason}; {remedy}")
