"""What of one run is in the bucket, and the fence: the log is the commit, and only its owner can put it again.

Files are put first, each as a new object; then the log that names them, whole, over the log that was put last. Whoever takes
the run over adds a line to the log, so that the put of the writer before is refused from then on: it is fenced. What a fenced
writer has put besides is named by no line, and counts for nothing.

The log only grows, and its lines are chained by hashes and have times, so that no content of it ever comes back.
"""

import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, Final

from ops_contract import sha256_hex
from ops_orchestrator.errors import FencedError, RunExistsError, StoreError
from ops_orchestrator.runs.feed import Line
from ops_orchestrator.runs.record import LOGS, MANIFEST, MODULES, RECORD, RESULTS, SIGNATURE
from ops_orchestrator.runs.run_file import FileRef
from ops_orchestrator.runs.store.objects.bucket import Bucket, BucketError, ChangedObjectError, Tag
from ops_orchestrator.runs.store.plain_file import open_below
from ops_orchestrator.runs.store.stored_log import log_in

_MOST_TRIES: Final = 5


class Publication:
    """Publishes the run `run_id`, whose folder is in `staged`, as far as it is written there. Blocking; safe among threads.

    `tags` are those of its objects in the bucket, as this process left or found them, and `named` the files that are there and
    that its log names, with their hashes. Raises FencedError when somebody else has written the run meanwhile, BucketError.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what is there, and where
        self,
        bucket: Bucket,
        staged: Path,
        run_id: str,
        puts: Executor,
        tags: Mapping[str, Tag] | None = None,
        named: Mapping[str, str] | None = None,
    ) -> None:
        self.run_id = run_id
        self._bucket = bucket
        self._staged = staged
        self._puts = puts
        self._tags = dict(tags or {})
        self._named = dict(named or {})
        self._written: list[Line] = []
        self._record_is_new = False
        self._may_be_there = False
        self._lock = Lock()

    @property
    def has_more(self) -> bool:
        """Whether lines are written that are not published."""
        return bool(self._written)

    def wrote(self, line: Line) -> None:
        """Note that a line is in the log of the folder, with its files beside it."""
        self._written.append(line)

    def went_on(self) -> None:
        """Note that the record says from now on that the run goes on."""
        self._record_is_new = True

    def prepare(self, patience_s: float) -> None:
        """Publish what a new run has before its log. Raises FencedError when there is such a run."""
        with self._lock:
            self._put_files([MODULES, RECORD], patience_s)

    def begin(self, patience_s: float) -> list[Line]:
        """Publish the log of a new run; returns its lines. Raises RunExistsError when there is such a run."""
        with self._lock:
            return self._commit(self._log(), patience_s)

    def publish(self) -> list[Line]:
        """Publish the lines that were written since, with their files; returns those lines."""
        with self._lock:
            if not self._written:
                return []
            lines = list(self._written)
            self._publish_files(_files_of(lines))
            if self._record_is_new:
                # Before its log: a run that goes on must be found by whoever recovers it.
                self._put_document(RECORD)
                self._record_is_new = False
            return self._commit(self._log(lines[-1].seq))

    def put_files(self) -> None:
        """Publish the files of the lines that were written since, which count for nothing until these are published."""
        with self._lock:
            self._publish_files(_files_of(self._written))

    def end(self, patience_s: float | None = None) -> list[Line]:
        """Publish the folder of a run that is over: what its log names, the log, what is derived from it, the record last.

        May be repeated, and by whoever finds the log with its end: it writes the same bytes then. Returns the new lines.
        """
        with self._lock:
            log = self._log()
            self._publish_files(log_in(log, self.run_id).state.files.values(), patience_s)
            published = self._commit(log, patience_s)
            derived = [name for name in (RESULTS, MANIFEST, SIGNATURE) if self._path(name).exists()]
            if SIGNATURE in self._tags and SIGNATURE not in derived:
                # Of an earlier end. To delete it would be no matter of who owns the run.
                self._put_content(SIGNATURE, b"", patience_s)
            for name in (*derived, RECORD):
                self._put_document(name, patience_s)
            return published

    def adopt(self, files: Iterable[str]) -> None:
        """Publish the folder of a run that was made elsewhere, all of its `files`, the log last.

        Raises RunExistsError when the bucket has the run.
        """
        with self._lock:
            self._put_files([name for name in files if name != LOGS])
            self._commit(self._log())

    def _log(self, lines: int | None = None) -> bytes:
        """The log in the folder: so many of its lines, or all."""
        content = self._path(LOGS).read_bytes()
        return content if lines is None else b"".join(content.splitlines(keepends=True)[:lines])

    def _publish_files(self, files: Iterable[FileRef], patience_s: float | None = None) -> None:
        """Put the files that are not there yet."""
        new = {file.path: file.sha256 for file in files if self._named.get(file.path) != file.sha256}
        self._put_files(new, patience_s)
        self._named |= new

    def _put_files(self, names: Iterable[str], patience_s: float | None = None) -> None:
        each = list(names)
        if len(each) == 1:
            self._put_document(each[0], patience_s)
            return
        for _ in self._puts.map(lambda name: self._put_document(name, patience_s), each):
            pass

    def _commit(self, log: bytes, patience_s: float | None = None) -> list[Line]:
        """Put the log over the one that was put last; returns the lines that are published with it."""
        for _ in range(_MOST_TRIES):
            try:
                self._put(LOGS, log, patience_s)
                break
            except BucketError:
                self._may_be_there = True
                raise
            except ChangedObjectError as error:
                self._may_be_there = self._may_be_there or error.was_repeated
                if self._is_there(log):
                    break
        else:
            raise StoreError(f"{LOGS} of {self.run_id} changes again and again in {self._bucket.address}")
        self._may_be_there = False
        last = log.count(b"\n")
        published = [line for line in self._written if line.seq <= last]
        del self._written[: len(published)]
        return published

    def _is_there(self, log: bytes) -> bool:
        """Whether the bucket has `log`, whose put was refused: it was done before, and its answer was lost.

        A put that was given up may be done later: what the bucket has then is the beginning of `log`, and the next put is over
        it. Only what was sent before is taken for ours: two that take a run over at once may write the very same line. A bucket
        that has what was left there had two puts at once, and takes the next one. Raises FencedError for anything else, and
        RunExistsError for a new run.
        """
        left = self._tags.get(LOGS)
        try:
            found = self._bucket.read(self._key(LOGS))
        except FileNotFoundError:
            found = None
        if found is None and left is None:
            return False
        if found is not None and (found[1] == left or (self._may_be_there and found[0] and log.startswith(found[0]))):
            self._tags[LOGS] = found[1]
            return found[0] == log
        if left is None:
            raise RunExistsError(f"there is a run {self.run_id} already in {self._bucket.address}")
        raise FencedError(self.run_id)

    def _put_document(self, name: str, patience_s: float | None = None) -> None:
        """Put a file over the one that this process left or found, or as a new one."""
        with _content_of(self._staged, f"{self.run_id}/{name}") as content:
            self._put_content(name, content, patience_s)

    def _put_content(self, name: str, content: Any, patience_s: float | None) -> None:
        for _ in range(_MOST_TRIES):
            try:
                self._put(name, content, patience_s)
            except ChangedObjectError:
                tag, is_same = self._found(name, content)
                if tag is None:
                    self._tags.pop(name, None)
                else:
                    self._tags[name] = tag
                if is_same:
                    return
            else:
                return
        raise StoreError(f"{name} of {self.run_id} changes again and again in {self._bucket.address}")

    def _found(self, name: str, content: Any) -> tuple[Tag | None, bool]:
        """The tag of the object that was not as it was left, and whether it has this content all the same.

        One with another content was left by a fenced writer, and may be replaced by whoever owns the log. Raises FencedError.
        """
        try:
            found = self._bucket.read(self._key(name))
        except FileNotFoundError:
            found = None
        if found is not None and sha256_hex(found[0]) == sha256_hex(content):
            return found[1], True
        log = self._bucket.stored(self._key(LOGS))
        if (log.tag if log else None) != self._tags.get(LOGS):
            raise FencedError(self.run_id)
        return (None if found is None else found[1]), False

    def _put(self, name: str, content: Any, patience_s: float | None) -> None:
        """Put an object over the one that this process left or found, or as a new one."""
        self._tags[name] = self._bucket.put(self._key(name), content, self._tags.get(name), patience_s=patience_s)

    def _key(self, name: str) -> str:
        return f"{self.run_id}/{name}"

    def _path(self, name: str) -> Path:
        return self._staged / self.run_id / name


class _content_of:  # noqa: N801  # used as a function
    """The content of a plain file, mapped into memory, so that a large one takes none. Raises OSError."""

    def __init__(self, root: Path, name: str) -> None:
        self._file = open_below(root, name)
        self._map: mmap.mmap | None = None

    def __enter__(self) -> Any:
        with self._file:
            if not os.fstat(self._file.fileno()).st_size:
                return b""
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._map

    def __exit__(self, *_: object) -> None:
        if self._map is not None:
            with suppress(BufferError):  # a put that was given up lets go of it later, and then it is closed as well
                self._map.close()


def _files_of(lines: Iterable[Line]) -> Iterator[FileRef]:
    for line in lines:
        if line.event is not None:
            yield from getattr(line.event.what, "files", ())
