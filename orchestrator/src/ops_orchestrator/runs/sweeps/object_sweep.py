"""A sweep in a bucket while it is executed. See SweepWriter.

The state is the fence: each put of it is over the one that was put last, and names its writer. Whoever takes the sweep over
puts it first, so that the one before is refused from then on, and stops without a trace. What it noted of points stays true.
"""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any, Final, Self

from ops_contract import JsonError, parse_json
from ops_orchestrator.errors import FencedError, StoreError
from ops_orchestrator.runs.json_text import json_document
from ops_orchestrator.runs.store.lock_file import LockFile
from ops_orchestrator.runs.store.objects.bucket import Bucket, ChangedObjectError, Tag
from ops_orchestrator.runs.sweeps.point_objects import PointObjects
from ops_orchestrator.runs.sweeps.points_log import PointOutcome
from ops_orchestrator.runs.sweeps.state import SweepState
from ops_orchestrator.runs.sweeps.sweep_place import CANCEL, OWN, REQUEST, STATE, Cancellation, Pace, cancellation_of

_MOST_TRIES: Final = 5
# A put for each point would cost as much as its run.
_PACE: Final = Pace(gather_s=1.0, save_s=2.0, look_s=1.0)


class ObjectSweep:
    """Writes the sweep `sweep_id` in `bucket`, whose state has `tag`, while `lock` keeps others on this machine from it."""

    pace = _PACE

    def __init__(self, bucket: Bucket, points: PointObjects, sweep_id: str, lock: LockFile, tag: Tag | None = None) -> None:
        self._bucket = bucket
        self._points = points
        self._sweep_id = sweep_id
        self._lock = lock
        self._tag = tag
        self._writer = secrets.token_hex(8)
        self._series = ""
        self._numbers = count(1)

    @classmethod
    def create(cls, bucket: Bucket, points: PointObjects, lock: LockFile, state: SweepState, request: bytes) -> Self:
        """Put a new sweep. Raises FileExistsError when there is one of this id, BucketError."""
        sweep = cls(bucket, points, state.sweep_id, lock)
        try:
            bucket.put_new(f"{state.sweep_id}/{REQUEST}", request)
        except ChangedObjectError as error:
            if not error.was_repeated:
                raise FileExistsError(state.sweep_id) from error
        # The last one: what has no state is not a sweep yet.
        sweep.save(state)
        return sweep

    @property
    def cancelled(self) -> Cancellation | None:
        """See SweepWriter."""
        with suppress(FileNotFoundError, StoreError):
            if (found := self._bucket.read(self._name(CANCEL))) is not None:
                return cancellation_of(found[0])
        return None

    def lines(self) -> Iterator[bytes]:
        """See SweepWriter."""
        return self._points.lines(self._sweep_id)

    def add(self, outcomes: Iterable[PointOutcome]) -> None:
        """See SweepWriter."""
        lines = b"".join(outcome.as_line() for outcome in outcomes)
        self._points.put(self._sweep_id, f"{self._series}-{next(self._numbers):08}.jsonl", lines)

    def save(self, state: SweepState) -> None:
        """See SweepWriter."""
        content = json_document(state.model_dump(mode="json") | {"writer": self._writer})
        for _ in range(_MOST_TRIES):
            try:
                self._tag = self._bucket.put(self._name(STATE), content, self._tag)
            except ChangedObjectError:
                # Sent before, without an answer, or by somebody else.
                self._tag = self._own_tag()
            else:
                self._series = f"{state.attempt:06}-{state.drivers or 0:06}"
                return
        raise self._restless(STATE)

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """See SweepWriter. What a fenced writer left under this name is replaced by whoever owns the state."""
        content = b"".join(pieces)
        tag: Tag | None = None
        for _ in range(_MOST_TRIES):
            try:
                self._bucket.put(self._name(name), content, tag)
            except ChangedObjectError:
                owned = self._bucket.stored(self._name(STATE))
                if owned is None or owned.tag != self._tag:
                    raise FencedError(self._sweep_id) from None
                found = self._bucket.stored(self._name(name))
                tag = None if found is None else found.tag
            else:
                return
        raise self._restless(name)

    def begin_again(self, state: SweepState) -> None:
        """See SweepWriter. The state comes first: whoever is refused has changed nothing."""
        self.save(state)
        made = (each.name for name, each in self._bucket.directly_below(self._sweep_id).items() if name not in OWN)
        self._bucket.delete(made)

    def settle(self) -> None:
        """See SweepWriter: whatever is put is kept."""
        self._points.gather(self._sweep_id)

    def release(self) -> None:
        """See SweepWriter."""
        self._lock.release()

    def _own_tag(self) -> Tag:
        """The tag of the state, which this writer has put. Raises FencedError when somebody else has."""
        with suppress(FileNotFoundError):
            found = self._bucket.read(self._name(STATE))
            if found is not None and _writer_of(found[0]) == self._writer:
                return found[1]
        raise FencedError(self._sweep_id)

    def _name(self, name: str) -> str:
        return f"{self._sweep_id}/{name}"

    def _restless(self, name: str) -> StoreError:
        return StoreError(f"{name} of {self._sweep_id} changes again and again in {self._bucket.address}")


def _writer_of(state: bytes) -> Any:
    with suppress(JsonError):
        document = parse_json(state)
        return document.get("writer") if isinstance(document, dict) else None
    return None
