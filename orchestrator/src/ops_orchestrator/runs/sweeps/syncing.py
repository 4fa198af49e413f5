"""Copies sweeps from one place into another, whatever each is: each in whole or not at all. Their runs are copied before."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from ops_orchestrator.errors import ArchiveError, NotFoundError, OrchestratorError
from ops_orchestrator.runs.archive.syncing import Outcome
from ops_orchestrator.runs.sweeps.sweep_place import STATE
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore

_PIECE_BYTES = 256 * 1024


@dataclass(frozen=True)
class SyncedSweep:
    """What became of a sweep; `reason` says why it was refused, and `bytes` is what was copied."""

    sweep_id: str
    outcome: Outcome
    reason: str | None = None
    bytes: int = 0


def sync_sweeps(source: SweepStore, target: SweepStore, *, copies: bool) -> Iterator[SyncedSweep]:
    """Copy the sweeps of `source` that are over and that `target` lacks, oldest first; or only say which, unless `copies`.

    One that cannot be read is refused, and so is one of whose id the target has another sweep. Blocking.
    """
    for sweep_id in reversed(source.ids()):
        try:
            yield _synced(source, target, sweep_id, copies=copies)
        except OrchestratorError as error:
            yield SyncedSweep(sweep_id, "refused", str(error))


def _synced(source: SweepStore, target: SweepStore, sweep_id: str, *, copies: bool) -> SyncedSweep:
    source.request(sweep_id)
    state, written = source.stored_state(sweep_id)
    if not state.is_over:
        return SyncedSweep(sweep_id, "not over")
    try:
        there = target.stored_state(sweep_id)[1]
    except NotFoundError:
        return _copied(source, target, sweep_id) if copies else SyncedSweep(sweep_id, "would be copied")
    if there != written:
        raise ArchiveError("the target has another sweep of this id")
    return SyncedSweep(sweep_id, "already there")


def _copied(source: SweepStore, target: SweepStore, sweep_id: str) -> SyncedSweep:
    size = 0

    def pieces_of(name: str) -> Iterator[bytes]:
        nonlocal size
        with closing(source.open_file(sweep_id, name)) as opened:
            for piece in iter(partial(opened.file.read, _PIECE_BYTES), b""):
                size += len(piece)
                yield piece

    names = [*(name for name in source.files(sweep_id) if name != STATE), STATE]
    try:
        target.adopt(sweep_id, ((name, pieces_of(name)) for name in names))
    except FileExistsError as error:
        raise ArchiveError("the target has a sweep of this id since a moment") from error
    return SyncedSweep(sweep_id, "copied", bytes=size)
