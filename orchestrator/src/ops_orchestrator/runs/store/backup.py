"""A copy of a store, made while runs go on, from which a service can start as after a crash.

The order in which a run is written is turned round: its record is opened first, then its manifest, and its log is copied
after that. So a record that says that the run is over has all the rest beside it, and a manifest the line with which the log
ends. Of a run that goes on, lines of the log that name files which the copy lacks are dropped by recovery. What was opened
first is written last, so that an interrupted copy is as good as the one before.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.runs.record import LOGS, MANIFEST, RECORD, SIGNATURE
from ops_orchestrator.runs.run_id import SWEEP_ID
from ops_orchestrator.runs.store.plain_file import NotPlainError, OpenFile, all_files_in
from ops_orchestrator.runs.store.reading import run_ids_in, version_of
from ops_orchestrator.runs.store.run_folder import PART, STAGING
from ops_orchestrator.runs.store.sync import FileSystemSync

# Opened before all else, and written after it, in this order turned round.
_OPENED_FIRST: Final = (RECORD, SIGNATURE, MANIFEST)
_SWEEPS: Final = "sweeps"
_STATE: Final = "sweep.json"
_VERDICTS: Final = ".compliance"
_CANCEL: Final = ".cancel"
_MOST_TRIES: Final = 5
Outcome = Literal["copied", "as before", "gone", "not copied"]


class Copied(NamedTuple):
    """What became of a run, or of another folder of the store, and why it was not copied."""

    name: str
    outcome: Outcome
    reason: str = ""


def back_up(store: Path, target: Path) -> Iterator[Copied]:
    """Copy what has changed since the last copy in `target`, and remove the runs that are gone.

    Raises ConfigurationError, OSError. The index and the keys are left out: they are made again from the runs.
    """
    if target.resolve() == store.resolve() or target.resolve().is_relative_to(store.resolve()):
        raise ConfigurationError(f"{target} is in the store {store} itself; name a folder on another disk")
    target.mkdir(parents=True, exist_ok=True)
    _refuse_to_empty(store, target)
    # First sweeps: a run that one of them names is there then, and is copied with the runs.
    for sweep_id in _sweep_ids(store):
        yield _other(store, target, f"{_SWEEPS}/{sweep_id}", (_STATE,))
    if (store / _VERDICTS).is_dir():
        yield _other(store, target, _VERDICTS, ())
    run_ids = run_ids_in(store)
    for run_id in sorted(run_ids):
        yield _run(store, target, run_id)
    for run_id in sorted(run_ids_in(target) - run_ids):
        shutil.rmtree(target / run_id, ignore_errors=True)
        yield Copied(run_id, "gone")
    sync = FileSystemSync(target)
    sync.flush(())
    sync.close()


def _refuse_to_empty(store: Path, target: Path) -> None:
    """Raise ConfigurationError where the copy would lose all its runs: more likely the store is not where it should be."""
    copied = run_ids_in(target)
    if copied and not run_ids_in(store):
        reason = f"{store} has no run, and the copy {target} has {len(copied):,}"
        cure = "see that its disk is mounted and that OPS_RUNS_DIR is right; if all runs were deleted, delete the copy too"
        raise ConfigurationError(f"{reason}, which would all be removed; {cure}")


def _sweep_ids(store: Path) -> list[str]:
    with suppress(FileNotFoundError):
        return sorted(path.name for path in (store / _SWEEPS).iterdir() if SWEEP_ID.fullmatch(path.name))
    return []


def _run(store: Path, target: Path, run_id: str) -> Copied:
    reason = ""
    for _ in range(_MOST_TRIES):
        version = version_of(store, run_id)
        if version is None:
            return Copied(run_id, "not copied", f"it has no {RECORD}")
        if _is_copied(store / run_id, target / run_id):
            return Copied(run_id, "as before")
        try:
            _copy_folder(store, target, run_id, _OPENED_FIRST)
        except (NotPlainError, FileNotFoundError) as error:
            reason = str(error)
        else:
            if version_of(store, run_id) == version:
                return Copied(run_id, "copied")
            reason = "it ended, or went on, while it was copied, again and again"
    return Copied(run_id, "not copied", reason)


def _is_copied(folder: Path, copy: Path) -> bool:
    """Whether a run that is over was copied as it is: its record and its manifest are the last that change."""
    with suppress(OSError):
        return (copy / MANIFEST).exists() and all(
            _stamp(folder / name) == _stamp(copy / name) for name in (RECORD, MANIFEST, LOGS)
        )
    return False


def _stamp(file: Path) -> tuple[int, int]:
    status = file.lstat()
    return status.st_size, status.st_mtime_ns


def _other(store: Path, target: Path, name: str, opened_first: tuple[str, ...]) -> Copied:
    """Copy a folder of the store that is no run."""
    try:
        _copy_folder(store, target, name, opened_first)
    except (NotPlainError, FileNotFoundError) as error:
        return Copied(name, "not copied", str(error))
    return Copied(name, "copied")


def _copy_folder(store: Path, target: Path, name: str, opened_first: tuple[str, ...]) -> None:
    """Copy the files of the folder `name` that differ, and remove those that are gone."""
    files = {file for file in all_files_in(store, name) if not file.endswith((PART, _CANCEL)) and STAGING not in file}
    (target / name).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        opened = {}
        for file in opened_first:
            if file in files:
                opened[file] = OpenFile.below(store, f"{name}/{file}")
                stack.callback(opened[file].close)
        # The log of a run first: what it names is there when it is copied.
        for file in sorted(files - opened.keys(), key=lambda file: (file != LOGS, file)):
            with suppress(FileNotFoundError):  # it was moved, or is not needed any more
                _copy_file(store, f"{name}/{file}", target / name / file)
        for file in set(all_files_in(target, name)) - files:
            (target / name / file).unlink()
        for file, source in reversed(opened.items()):
            _write_copy(source, target / name / file)


def _copy_file(store: Path, file: str, place: Path) -> None:
    if place.exists() and _stamp(store / file) == _stamp(place):
        return
    with closing(OpenFile.below(store, file)) as source:
        _write_copy(source, place)


def _write_copy(source: OpenFile, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(place.name + PART)
    with part.open("wb") as copy:
        shutil.copyfileobj(source.file, copy)
    status = os.fstat(source.file.fileno())
    os.utime(part, ns=(status.st_atime_ns, status.st_mtime_ns))
    part.replace(place)
