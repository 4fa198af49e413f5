"""Copies runs from one store into another, whatever each is made of: each in whole or not at all."""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

from ops_orchestrator.errors import ArchiveError, NotFoundError, OrchestratorError
from ops_orchestrator.runs.archive.damage import damage_of
from ops_orchestrator.runs.archive.reading import writable
from ops_orchestrator.runs.record import DERIVED, MANIFEST
from ops_orchestrator.runs.run_summary import RunSummary
from ops_orchestrator.runs.store.all_runs import all_runs
from ops_orchestrator.runs.store.folder_run import FolderRun
from ops_orchestrator.runs.store.protocols import RunStore, StoredRun
from ops_orchestrator.runs.store.removal import size_of
from ops_orchestrator.runs.store.run_folder import ALWAYS_THERE

_PIECE_BYTES: Final = 256 * 1024

Outcome = Literal["copied", "would be copied", "already there", "not over", "refused"]


@dataclass(frozen=True)
class SyncedRun:
    """What became of a run; `reason` says why it was refused, and `bytes` is what was copied."""

    run_id: str
    outcome: Outcome
    reason: str | None = None
    bytes: int = 0


def sync_runs(source: RunStore, target: RunStore, *, copies: bool) -> Iterator[SyncedRun]:
    """Copy the runs of `source` that are over and that `target` lacks, oldest first; or only say which, unless `copies`.

    A run that is not intact is refused, and so is one of whose id the target has another run. Both stores know all their runs.
    Blocking.
    """
    there = {run.run_id: run for run in all_runs(target)}
    for run in reversed(list(all_runs(source))):
        try:
            yield _synced(source, target, run, there.get(run.run_id), copies=copies)
        except OrchestratorError as error:
            yield SyncedRun(run.run_id, "refused", str(error))


def _synced(source: RunStore, target: RunStore, run: RunSummary, there: RunSummary | None, *, copies: bool) -> SyncedRun:
    run_id = run.run_id
    if run.status == "damaged":
        raise ArchiveError(f"it is damaged: {run.reason}")
    if run.finished_at is None:
        return SyncedRun(run_id, "not over")
    if there is not None:
        if there == run or _manifest(source.run(run_id)) == _manifest(target.run(run_id)):
            return SyncedRun(run_id, "already there")
        raise ArchiveError("the target has another run of this id")
    if not copies:
        return SyncedRun(run_id, "would be copied")
    return _copied(source.run(run_id), target.adopt)


def _copied(run: StoredRun, adopt: Callable[[str, Callable[[Path], None]], object]) -> SyncedRun:
    size = 0

    def fill(folder: Path) -> None:
        nonlocal size
        for name in ALWAYS_THERE:
            (folder / name).mkdir()
        for name in run.files():
            if name not in DERIVED:
                _copy(run, name, folder / name)
        if damage := damage_of(FolderRun(folder.parent, folder.name)):
            raise ArchiveError(f"it is not intact: {damage}")
        size = size_of(folder)

    adopt(run.run_id, fill)
    return SyncedRun(run.run_id, "copied", bytes=size)


def _copy(run: StoredRun, name: str, path: Path) -> None:
    with writable(path), closing(run.open(name)) as opened:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for piece in iter(partial(opened.file.read, _PIECE_BYTES), b""):
                file.write(piece)


def _manifest(run: StoredRun) -> bytes | None:
    with suppress(NotFoundError):
        return run.document(MANIFEST)
    return None
