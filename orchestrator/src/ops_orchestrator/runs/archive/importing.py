"""Takes the runs of a zip file into a store, each in whole or not at all."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ops_orchestrator.errors import ArchiveError, DamagedRunError, NotFoundError, OrchestratorError
from ops_orchestrator.runs.archive.damage import Damage, damage_of
from ops_orchestrator.runs.archive.reading import Archive, writable
from ops_orchestrator.runs.import_damage import note_damage
from ops_orchestrator.runs.record import DERIVED, IMPORT_DAMAGE, MANIFEST
from ops_orchestrator.runs.store.adoption import check_adoptable
from ops_orchestrator.runs.store.folder_run import FolderRun
from ops_orchestrator.runs.store.protocols import RunStore, StoredRun

_PIECE_BYTES: Final = 256 * 1024

Outcome = Literal["imported", "already there", "refused"]


@dataclass(frozen=True)
class ImportedRun:
    """What became of a run of a zip file; `reason` says why it was refused, or what is wrong with one taken all the same."""

    run_id: str
    outcome: Outcome
    reason: str | None = None


def import_runs(store: RunStore, archive: Archive, *, damaged: bool = False) -> Iterator[ImportedRun]:
    """Take the runs of an archive into the store, one after another.

    One that is not intact is refused unless `damaged`, and so is one whose id another run of the store has.
    """
    store.left()  # removes what a killed import may have left
    for run_id in archive.run_ids:
        try:
            yield _imported(store, archive, run_id, damaged=damaged)
        except OrchestratorError as error:
            yield ImportedRun(run_id, "refused", str(error))


def _imported(store: RunStore, archive: Archive, run_id: str, *, damaged: bool) -> ImportedRun:
    with suppress(NotFoundError):
        return _compared(archive, store.run(run_id))
    damage: Damage | None = None

    def fill(folder: Path) -> None:
        nonlocal damage
        archive.unpack(run_id, folder)
        check_adoptable(folder)  # what it refuses is refused with `damaged` too
        damage = damage_of(FolderRun(folder.parent, folder.name))
        if damage and not damaged:
            raise ArchiveError(f"it is not intact: {damage}; get another copy, or add --damaged to take it as it is")
        if damage:
            with writable(folder / IMPORT_DAMAGE):
                note_damage(folder, str(damage))

    try:
        store.adopt(run_id, fill)
    except DamagedRunError as error:
        # The folder that it names is gone.
        raise ArchiveError(error.reason if error.remedy else f"{error.reason}; get another copy") from error
    return ImportedRun(run_id, "imported", str(damage) if damage else None)


def _compared(archive: Archive, stored: StoredRun) -> ImportedRun:
    """What becomes of a run whose id the store has already. Raises NotFoundError when it has not."""
    run_id = stored.run_id
    here = {name for name in stored.files() if name not in DERIVED}
    there = {*archive.names(run_id)}
    differing = here ^ there or {name for name in here if _sha256_here(stored, name) != _sha256_there(archive, run_id, name)}
    if not differing:
        return ImportedRun(run_id, "already there")
    manifests = (
        _sha256_here(stored, MANIFEST) if MANIFEST in here else "none",
        _sha256_there(archive, run_id, MANIFEST) if MANIFEST in there else "none",
    )
    reason = "the store has another run of this id, with the manifest {} in place of {}; they differ in {}"
    return ImportedRun(run_id, "refused", reason.format(*manifests, min(differing)))


def _sha256_here(stored: StoredRun, name: str) -> str:
    with closing(stored.open(name)) as opened:
        return _sha256_of(iter(lambda: opened.file.read(_PIECE_BYTES), b""))


def _sha256_there(archive: Archive, run_id: str, name: str) -> str:
    return _sha256_of(archive.pieces(run_id, name))


def _sha256_of(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
