"""A disposable index of the run folders, so that lists need not read them all. The folders are the truth."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.store.claimed_keys import ClaimedKeys, NoKeys
from ops_orchestrator.runs.store.folder_source import FolderSource
from ops_orchestrator.runs.store.index_file import IndexFile, IndexMadeAgainError, in_a_transaction
from ops_orchestrator.runs.store.index_reader import IndexReader
from ops_orchestrator.runs.store.index_rows import FOREIGN, SCHEMA, Row, drop, learn, put
from ops_orchestrator.runs.store.index_update import IndexUpdate, Report
from ops_orchestrator.runs.store.listed_run import ListedRun, ReadRun
from ops_orchestrator.runs.store.protocols import RunSource

FILE_NAME: Final = ".index.sqlite3"

_PATIENCE_S: Final = 20.0
_COMPLETE: Final = 1
_MOST_ATTEMPTS: Final = 3

Result = TypeVar("Result")


class SqliteIndex(IndexReader):
    """A RunIndex in a SQLite file beside the runs. A file that is damaged, foreign or gone is made again from the folders.

    When the file cannot be used at all, the index is kept in memory. Runs that it does not know yet are read before it is used,
    or in the background when they are many: see IndexUpdate.
    """

    def __init__(
        self, folder: Path, busy_timeout_s: float, report: Report | None, source: RunSource, *, read_only: bool = False
    ) -> None:
        self._source = source
        self._keys = NoKeys(folder) if read_only else ClaimedKeys(folder, is_made=source.has)
        # A run that is known has its key. Without the keys, the runs must be read for them.
        self._file = IndexFile(
            folder / FILE_NAME, SCHEMA, FOREIGN, busy_timeout_s, discard=self._keys.make_folder(), in_memory=read_only
        )
        self._update = IndexUpdate(source, self, report)

    @classmethod
    def open(  # noqa: PLR0913  # how an index is kept, each by name
        cls,
        folder: Path,
        busy_timeout_s: float = 10.0,
        *,
        report: Report | None = None,
        in_background: bool = False,
        read_only: bool = False,
        source: RunSource | None = None,
    ) -> Self:
        """The index kept in `folder`, up to date, or soon so when many runs may be read `in_background`.

        The runs are those in the folder, or those of another `source`. `report` is called every few seconds while runs are
        read. With `read_only`, the index is kept in memory.
        Raises OSError, StoreError when the folder cannot be read.
        """
        index = cls(folder, busy_timeout_s, report, source or FolderSource(folder), read_only=read_only)
        try:
            index._update.begin(in_background=in_background)
        except BaseException:
            index.close()
            raise
        return index

    @property
    def is_complete(self) -> bool:
        """See RunIndex."""
        return self._update.is_done

    def wait_until_complete(self, seconds: float) -> bool:
        """See RunIndex."""
        return self._update.wait(seconds)

    def close(self) -> None:
        """See RunIndex."""
        self._update.stop()
        self._keys.close()
        self._file.close()

    def put(self, runs: Iterable[ListedRun]) -> None:
        """See RunIndex."""
        rows = [Row.of(run, self._source.version_of(run.run_id)) for run in runs]
        self._change(rows, lambda connection: put(connection, rows))

    def learn(self, runs: Iterable[ReadRun]) -> None:
        """See RunIndex."""
        rows = [(Row.of(read.run, read.version), read.before) for read in runs]
        self._change([row for row, _ in rows], lambda connection: learn(connection, rows))

    def drop(self, run_ids: Iterable[str]) -> None:
        """See RunIndex."""
        gone = sorted(run_ids)
        keys: dict[str, str | None] = {}
        self._change((), lambda connection: keys.update({run_id: drop(connection, run_id) for run_id in gone}))
        with suppress(OSError):
            for run_id, key in keys.items():
                self._keys.release(key, run_id)

    def claim(self, key_sha256: str, run_id: str) -> str | None:
        """See RunIndex."""
        try:
            if not self._keys.folder.is_dir():
                self._find_keys_again()
            if not self._keys.are_complete and not self._update.wait(_PATIENCE_S):
                raise StoreError("the keys of earlier runs are still being read from their folders; try again in a minute")
            return self._keys.claim(key_sha256, run_id)
        except OSError as error:
            raise StoreError(f"the key of a run cannot be kept in {self._keys.folder}: {error.strerror}") from error

    def release(self, key_sha256: str, run_id: str) -> None:
        """See RunIndex."""
        try:
            self._keys.release(key_sha256, run_id)
        except OSError as error:
            raise StoreError(f"the key of a run cannot be freed in {self._keys.folder}: {error.strerror}") from error

    @property
    def was_complete(self) -> bool:
        """Whether all runs were read since the file was made."""
        [(version,)] = self._rows("PRAGMA user_version", ())
        return bool(version == _COMPLETE)

    def complete(self) -> None:
        """Note that all runs were read, and so all keys are known."""
        self._keys.complete()
        self._change((), lambda connection: connection.execute(f"PRAGMA user_version = {_COMPLETE}"))

    def _find_keys_again(self) -> None:
        """Somebody removed the keys: they are read again from the runs."""
        self._keys.folder.mkdir(exist_ok=True)
        self._file.make_again()
        self._update.again()

    def _rows(self, query: str, parameters: Sequence[object]) -> list[Any]:
        try:
            return self._use(lambda connection: connection.execute(query, parameters).fetchall())
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the list of runs cannot be read: {error}; try again") from error

    def _change(self, rows: Iterable[Row], change: Callable[[sqlite3.Connection], object]) -> None:
        # The folders are the truth: an index that cannot be written is behind until the next start, and no run suffers.
        with suppress(sqlite3.Error, OSError, StoreError):
            for row in rows:
                # First the key: it must not be missing because of a crash between the two.
                self._keys.keep(row.idempotency_key, row.run_id)
            self._use(lambda connection: in_a_transaction(connection, change))

    def _use(self, use: Callable[[sqlite3.Connection], Result]) -> Result:
        for _ in range(_MOST_ATTEMPTS):
            with suppress(IndexMadeAgainError):
                return self._file.use(use)
            self._update.again()
        return self._file.use(use)
