"""A bucket of an S3 object store: conditional puts, reads and lists, repeated for as long as one may be patient.

Everything here blocks, and may be called from several threads. Who reads waits for some seconds at most, so that no caller
hangs. Names are those of objects below the prefix of all runs, or of all sweeps.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ops_orchestrator.errors import ConfigurationError, StoreError
from ops_orchestrator.runs.store.objects.address import BucketAddress
from ops_orchestrator.runs.store.objects.refusal import refusal, says_that_there_is_no_bucket

if TYPE_CHECKING:
    from obstore.store import S3Store

Tag = str
"""What a bucket says of an object's content, another text for each: its ETag."""

_LARGE_BYTES: Final = 8 * 1024 * 1024
_REQUEST_S: Final = 30.0
_LARGE_REQUEST_S: Final = 600.0
_CONNECT_S: Final = 5.0
_PAUSES_S: Final = (0.1, 5.0)
_READ_PATIENCE_S: Final = 10.0
_PROBE: Final = ".writable"
_INSTALL: Final = "pip install 'openpolicystack-orchestrator[cluster]'"

Result = TypeVar("Result")


class BucketError(StoreError):
    """The bucket cannot be used: it refuses, does not answer, or has no room."""


class ChangedObjectError(StoreError):
    """A conditional put was not done: the object is there already, or has another tag than the one that was named.

    `was_repeated` says that it was sent before, without an answer, so that it may have been done then.
    """

    def __init__(self, message: str, *, was_repeated: bool) -> None:
        super().__init__(message)
        self.was_repeated = was_repeated


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in the bucket; `size` in bytes."""

    name: str
    size: int
    tag: Tag
    modified: datetime


class Bucket:
    """The objects below `address`. A put that is refused for a while is repeated for `patience_s` seconds.

    Endpoint, region and keys come from the AWS_* variables of the environment. Raises ConfigurationError without the extra.
    """

    def __init__(self, address: BucketAddress, patience_s: float, request_s: float = _REQUEST_S) -> None:
        try:
            import obstore  # noqa: PLC0415  # an extra, which nobody needs who keeps runs in folders
            from obstore import exceptions  # noqa: PLC0415  # as above
        except ImportError as error:
            raise ConfigurationError(f"OPS_RUNS_URL needs the extra `cluster`: {_INSTALL}") from error
        self.address = address
        self.trouble: str | None = None
        """Why the last put was not done, until one is done again."""
        self._obstore = obstore
        self._errors: Any = exceptions
        self._patience_s = patience_s
        self._small = _client(address, request_s)
        self._large = _client(address, max(request_s, _LARGE_REQUEST_S))
        self._reading = _client(address, max(request_s, _LARGE_REQUEST_S), silent_s=request_s)

    def put(self, name: str, content: Any, tag: Tag | None, *, patience_s: float | None = None) -> Tag:
        """Replace the object that has `tag`, or with None put one that is not there yet; see `put_over` and `put_new`."""
        if tag is None:
            return self.put_new(name, content, patience_s=patience_s)
        return self.put_over(name, content, tag, patience_s=patience_s)

    def put_new(self, name: str, content: Any, *, patience_s: float | None = None) -> Tag:
        """Put an object that is not there yet; returns its tag. Raises ChangedObjectError when it is, BucketError.

        `content` is bytes or anything else that has the buffer protocol.
        """
        return self._put(name, content, "create", patience_s)

    def put_over(self, name: str, content: Any, tag: Tag, *, patience_s: float | None = None) -> Tag:
        """Replace the object that has `tag`; returns the new one. Raises ChangedObjectError if it has another, BucketError."""
        return self._put(name, content, {"e_tag": tag}, patience_s)

    def read(self, name: str, unless: Tag | None = None) -> tuple[bytes, Tag] | None:
        """The content of an object and its tag; None when it still has the tag `unless`.

        Raises FileNotFoundError, BucketError.
        """
        options: Any = {} if unless is None else {"if_none_match": unless}

        def get() -> tuple[bytes, Tag]:
            found = self._obstore.get(self._reading, name, options=options)
            return bytes(found.bytes()), str(found.meta["e_tag"])

        try:
            return self._patiently(f"read {name}", get)
        except self._errors.NotModifiedError:
            return None

    def opened(self, name: str, start: int = 0) -> tuple[Tag, Iterator[bytes]]:
        """An object's tag, and its content from `start` on, in pieces. Raises FileNotFoundError, BucketError."""
        options: Any = {"range": {"offset": start}} if start else {}
        found = self._patiently(f"read {name}", lambda: self._obstore.get(self._reading, name, options=options))
        return str(found.meta["e_tag"]), self._streamed(name, found)

    def pieces(self, name: str, start: int = 0) -> Iterator[bytes]:
        """The content of an object from `start` on, in pieces. Raises FileNotFoundError, BucketError."""
        yield from self.opened(name, start)[1]

    def _streamed(self, name: str, found: Any) -> Iterator[bytes]:
        try:
            for piece in found.stream(min_chunk_size=256 * 1024):
                yield bytes(piece)
        except self._errors.BaseError as error:
            raise self._failed(f"read {name}", error) from error

    def stored(self, name: str) -> Stored | None:
        """What is known of an object; None when there is none. Raises BucketError."""
        try:
            return _stored(self._patiently(f"look at {name}", lambda: self._obstore.head(self._small, name)))
        except FileNotFoundError:
            return None

    def below(self, folder: str) -> dict[str, Stored]:
        """All objects whose names begin with `folder` and a slash, by the rest of their names. Raises BucketError."""
        listed = self._patiently(f"list {folder}", lambda: self._obstore.list(self._small, f"{folder}/").collect())
        return {meta["path"].removeprefix(f"{folder}/"): _stored(meta) for meta in listed}

    def directly_below(self, folder: str) -> dict[str, Stored]:
        """As `below`, without those whose names go on with another slash. Raises BucketError."""
        found = self._patiently(f"list {folder}", lambda: self._obstore.list_with_delimiter(self._small, folder))
        return {meta["path"].removeprefix(f"{folder}/"): _stored(meta) for meta in found["objects"]}

    def folders(self) -> set[str]:
        """The first parts of the names of all objects that have several. Raises BucketError."""
        found = self._patiently("list what is there", lambda: self._obstore.list_with_delimiter(self._small))
        return {prefix.rstrip("/") for prefix in found["common_prefixes"]}

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; those that are not there are no error. Raises BucketError."""
        each = list(names)
        if each:
            self._patiently(f"delete {each[0]}", lambda: self._obstore.delete(self._small, each))

    def signed(self, name: str, seconds: int) -> str:
        """An address at which anybody can read an object for so many seconds. Raises BucketError."""
        try:
            return str(self._obstore.sign(self._small, "GET", name, timedelta(seconds=seconds)))
        except self._errors.BaseError as error:
            raise self._failed(f"sign {name}", error) from error

    def unwritable(self) -> str | None:
        """Why nothing can be put now, in a sentence; None when it can, as far as is known without a put."""
        try:
            if self.trouble is None:
                self._patiently("look", lambda: self._obstore.list_with_delimiter(self._small, _PROBE), 0)
            else:
                self._patiently("put", lambda: self._obstore.put(self._small, _PROBE, b"\n"), 0)
                self.trouble = None
        except (FileNotFoundError, BucketError) as error:
            return f"runs cannot be kept in {self.address}: {error}"
        return None

    def _put(self, name: str, content: Any, mode: Any, patience_s: float | None) -> Tag:
        client = self._small if len(content) < _LARGE_BYTES else self._large
        sent = 0

        def put() -> Any:
            nonlocal sent
            sent += 1
            return self._obstore.put(client, name, content, mode=mode)

        try:
            patience_s = self._patience_s if patience_s is None else min(patience_s, self._patience_s)
            done = self._patiently(f"put {name}", put, patience_s)
        except (self._errors.AlreadyExistsError, self._errors.PreconditionError) as error:
            raise ChangedObjectError(f"{name} in {self.address} is not as it was left", was_repeated=sent > 1) from error
        except FileNotFoundError as error:
            raise self._failed(f"put {name}", error) from error
        except BucketError as error:
            self.trouble = str(error)
            raise
        self.trouble = None
        return str(done["e_tag"])

    def _patiently(self, what: str, act: Callable[[], Result], patience_s: float | None = None) -> Result:
        """What `act` returns, repeated while the bucket does not answer, or not as it should. Raises BucketError.

        What says something of the object, such as that it is not there, is raised as it is.
        """
        errors = self._errors
        until = time.monotonic() + (min(_READ_PATIENCE_S, self._patience_s) if patience_s is None else patience_s)
        pause_s, longest_s = _PAUSES_S
        while True:
            try:
                return act()
            except FileNotFoundError as error:
                if says_that_there_is_no_bucket(error):
                    raise self._failed(what, error) from error
                raise
            except (errors.AlreadyExistsError, errors.PreconditionError, errors.NotModifiedError):
                raise
            except errors.BaseError as error:
                is_final = not isinstance(error, errors.GenericError)
                if is_final or time.monotonic() + pause_s > until:
                    raise self._failed(what, error) from error
            time.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  # spread, and not secret
            pause_s = min(2 * pause_s, longest_s)

    def _failed(self, what: str, error: Exception) -> BucketError:
        return BucketError(f"cannot {what} in {self.address}: {refusal(error)}")


def _client(address: BucketAddress, request_s: float, silent_s: float | None = None) -> "S3Store":
    """A client whose requests take so long at most, and break off when nothing comes for `silent_s`: not for large puts."""
    from obstore.store import S3Store  # noqa: PLC0415  # see Bucket

    options: Any = {
        # Without TLS only where AWS_ENDPOINT_URL says so.
        "allow_http": True,
        "timeout": timedelta(seconds=request_s),
        "connect_timeout": timedelta(seconds=min(_CONNECT_S, request_s)),
    }
    if silent_s is not None:
        options["read_timeout"] = timedelta(seconds=silent_s)
    # What is repeated, and for how long, is decided in one place, which also knows what a refusal may mean then.
    once: Any = {"max_retries": 0, "retry_timeout": timedelta(seconds=request_s)}
    return S3Store(address.bucket, prefix=address.objects, client_options=options, retry_config=once)


def _stored(meta: Any) -> Stored:
    return Stored(meta["path"], meta["size"], str(meta["e_tag"]), meta["last_modified"])
