"""The sweeps on disk: a folder for each, below `sweeps/` in the folder of the runs. What is here blocks.

A folder has `request.json`, as it was asked for; `points.jsonl`, a line for each point that is over; `sweep.json`, the state;
and what is made of them at the end, such as `table.csv`. Whoever executes the sweep holds a lock on points.jsonl.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from pydantic import ValidationError

from ops_contract import JsonError, parse_json, terminal_safe
from ops_orchestrator.errors import InvalidRequestError, NotFoundError, StoreError, SweepConflictError
from ops_orchestrator.planning.sweep import SweepRequest, read_sweep
from ops_orchestrator.runs.run_id import SWEEP_ID
from ops_orchestrator.runs.store.claimed_keys import ClaimedKeys
from ops_orchestrator.runs.store.lease import has_no_holder
from ops_orchestrator.runs.store.plain_file import NotPlainError, OpenFile, files_in, open_below, read_below
from ops_orchestrator.runs.store.sync import Sync, sync_of
from ops_orchestrator.runs.sweeps.points_log import PointOutcome, latest
from ops_orchestrator.runs.sweeps.state import FORMAT, Counts, SweepState
from ops_orchestrator.runs.sweeps.sweep_folder import CANCEL, OWN, POINTS, REQUEST, STATE, SweepFolder
from ops_orchestrator.runs.sweeps.table import SweepTable, table_of
from ops_orchestrator.settings import Durability, SyncMethod

FOLDER_NAME: Final = "sweeps"
_LARGEST_FILE_BYTES: Final = 64 * 1024 * 1024
_LONGEST_LINE_BYTES: Final = 1024 * 1024
_MOST_POINTS: Final = 10_000_000
"""What was accepted once is read again whatever the limit is now."""
_HELPERS: Final = (CANCEL,)
_USUAL_REMEDY: Final = "restore the sweep's folder from a copy, or remove it"


class SweepStore:
    """Makes, finds and lists sweeps. Several processes can share it. Raises NotFoundError, StoreError."""

    def __init__(self, runs_folder: Path, sync: Sync) -> None:
        self.folder = runs_folder / FOLDER_NAME
        self._sync = sync
        self._keys = ClaimedKeys(self.folder, SWEEP_ID)

    @classmethod
    def open(cls, runs_folder: Path, durability: Durability = "sync", sync: SyncMethod = "syncfs") -> Self:
        """The sweeps of the runs in `runs_folder`, which is there."""
        try:
            return cls(runs_folder, sync_of(runs_folder, durability, sync))
        except OSError as error:
            raise StoreError(f"cannot open the run store {runs_folder}: {error.strerror}") from error

    def close(self) -> None:
        """Let go of what is held open."""
        self._keys.close()
        self._sync.close()

    def location(self, sweep_id: str) -> Path:
        """Where people find the sweep."""
        return self.folder / sweep_id

    def create(self, state: SweepState, request: bytes) -> SweepFolder:
        """Make the folder of a new sweep and flush it to disk; whoever called executes it. Raises FileExistsError."""
        with _writing(state.sweep_id):
            self.folder.mkdir(exist_ok=True)
            return SweepFolder.create(self.location(state.sweep_id), state, terminal_safe(request), self._sync)

    def reopen(self, sweep_id: str) -> tuple[SweepFolder, SweepState]:
        """A sweep that nobody executes, to go on with it. Raises SweepConflictError when somebody does."""
        with self._reading(_checked(sweep_id), POINTS):
            folder = SweepFolder.take(self.location(sweep_id), self._sync)
        if folder is None:
            raise SweepConflictError(
                f"{sweep_id} is running: only a sweep that is over can be resumed; wait for it, or cancel it."
            )
        try:
            return folder, self._state(sweep_id)
        except BaseException:
            folder.release()
            raise

    def state(self, sweep_id: str) -> SweepState:
        """How far a sweep is. One that nobody executes although it is not over is `interrupted`."""
        state = self._state(sweep_id)
        if state.is_over or not self._has_no_holder(sweep_id):
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
            raise _damaged(self.location(sweep_id) / REQUEST, str(error)) from error

    def outcomes(self, sweep_id: str, size: int) -> dict[int, PointOutcome]:
        """By number, what became of those of the `size` points that are over."""
        with self._reading(sweep_id, POINTS), open_below(self.folder, f"{_checked(sweep_id)}/{POINTS}") as file:
            return latest(iter(lambda: file.readline(_LONGEST_LINE_BYTES), b""), size)

    def table(self, sweep_id: str) -> SweepTable:
        """What the sweep found so far."""
        request = self.request(sweep_id)
        return table_of(sweep_id, request, self.outcomes(sweep_id, request.size))

    def ids(self) -> list[str]:
        """The ids of all sweeps, newest first."""
        try:
            names = os.listdir(self.folder)  # noqa: PTH208  # names are all that is wanted
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"cannot read {self.folder}: {error.strerror}") from error
        return sorted((name for name in names if SWEEP_ID.fullmatch(name)), reverse=True)

    def page(self, limit: int, after: str | None = None) -> tuple[list[SweepState], str | None]:
        """Up to `limit` sweeps, newest first, that come after the sweep `after`; and the last one's id if there are more.

        One that cannot be read is left out.
        """
        ids = [sweep_id for sweep_id in self.ids() if after is None or sweep_id < after]
        states = []
        for sweep_id in ids[:limit]:
            with suppress(NotFoundError, StoreError):
                states.append(self.state(sweep_id))
        return states, ids[limit - 1] if len(ids) > limit else None

    def files(self, sweep_id: str) -> list[str]:
        """The names of the files that people may want of a sweep, sorted."""
        with self._reading(sweep_id, ""):
            files, _ = files_in(self.folder, _checked(sweep_id))
        return [name for name in files if name not in _HELPERS and not name.endswith(".part")]

    def open_file(self, sweep_id: str, name: str) -> OpenFile:
        """One of the `files` of a sweep; the caller closes it."""
        if name not in self.files(sweep_id):
            raise NotFoundError(f"{sweep_id} has no {name!r}.", f"/sweeps/{sweep_id}")
        with self._reading(sweep_id, name):
            return OpenFile.below(self.folder, f"{sweep_id}/{name}")

    def left(self) -> list[str]:
        """The ids of sweeps that are not over, and that nobody executes."""
        return [sweep_id for sweep_id in self.ids() if self._is_left(sweep_id)]

    def claim(self, key_sha256: str, sweep_id: str) -> str | None:
        """The sweep that holds an idempotency key, as RunIndex.claim says it of runs."""
        with _writing(sweep_id):
            self.folder.mkdir(exist_ok=True)
            self._keys.make_folder()
            return self._keys.claim(key_sha256, sweep_id)

    def keep_key(self, key_sha256: str, sweep_id: str) -> None:
        """Give a claimed key to the sweep that was made for it."""
        with _writing(sweep_id):
            self._keys.keep(key_sha256, sweep_id)

    def release_key(self, key_sha256: str, sweep_id: str) -> None:
        """Free a key for which the sweep could not be made."""
        with _writing(sweep_id):
            self._keys.release(key_sha256, sweep_id)

    def ask_to_cancel(self, sweep_id: str, by: str, caller: str | None = None) -> None:
        """Leave word for whoever executes the sweep, in whatever process, that it is to end. See Cancellation."""
        with _writing(sweep_id):
            (self.location(_checked(sweep_id)) / CANCEL).write_text(f"{by}\n{caller}" if caller else by, encoding="utf-8")

    def _is_left(self, sweep_id: str) -> bool:
        with suppress(NotFoundError, StoreError):
            return not self._state(sweep_id).is_over and self._has_no_holder(sweep_id)
        return False

    def _has_no_holder(self, sweep_id: str) -> bool:
        log = self.location(sweep_id) / POINTS
        return not log.exists() or has_no_holder(log)

    def _state(self, sweep_id: str) -> SweepState:
        content = self._content(sweep_id, STATE)
        _check_format(self.location(sweep_id) / STATE, content)
        try:
            state = SweepState.model_validate_json(content)
        except ValidationError as error:
            raise _damaged(self.location(sweep_id) / STATE, "it does not have the right shape") from error
        if state.sweep_id != sweep_id:
            raise _damaged(self.location(sweep_id) / STATE, f"it belongs to {state.sweep_id[:60]!r}")
        return state

    def _interrupted(self, state: SweepState) -> SweepState:
        """The state of a sweep whose process ended before it could write it."""
        outcomes = self.outcomes(state.sweep_id, state.points.total).values()
        completed = sum(outcome.status == "completed" for outcome in outcomes)
        counts = Counts(total=state.points.total, completed=completed, failed=len(outcomes) - completed)
        message = (
            "the process that executed the sweep ended, or could not write, before all points were run; "
            f"`ops sweep resume {state.sweep_id}` goes on with it"
        )
        error = {"code": "INTERRUPTED", "message": message}
        return state.model_copy(update={"status": "interrupted", "error": error, "points": counts, "seconds_left": None})

    def _content(self, sweep_id: str, name: str) -> bytes:
        with self._reading(sweep_id, name):
            return read_below(self.folder, f"{_checked(sweep_id)}/{name}", _LARGEST_FILE_BYTES)

    @contextmanager
    def _reading(self, sweep_id: str, name: str) -> Iterator[None]:
        folder = self.location(sweep_id)
        try:
            yield
        except FileNotFoundError as error:
            if name in OWN and folder.is_dir():
                remedy = f"`ops sweep resume {sweep_id}` makes it again" if name == POINTS else _USUAL_REMEDY
                raise _damaged(folder / name, "the file is missing", remedy) from error
            raise NotFoundError(f"There is no sweep {sweep_id}.", "/sweeps") from error
        except NotPlainError as error:
            raise _damaged(folder / name, error.reason) from error
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
        raise _damaged(Path(FOLDER_NAME, sweep_id, POINTS), error.reason) from error
    except OSError as error:
        raise StoreError(f"cannot write the sweep {sweep_id}: {error.strerror}") from error


def _check_format(path: Path, content: bytes) -> None:
    """Raise StoreError for a sweep in a format of a later version: nothing in it may mean what it seems to."""
    with suppress(JsonError):
        document = parse_json(content)
        found = document.get("format") if isinstance(document, dict) else None
        if isinstance(found, int) and found > FORMAT:
            raise _damaged(path, f"made by a later version of the orchestrator, format {found}", "upgrade to read it")


def _damaged(path: Path, reason: str, remedy: str = _USUAL_REMEDY) -> StoreError:
    return StoreError(f"{path} is damaged: {reason}; {remedy}")
