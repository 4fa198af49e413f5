"""A folder of exchanges with a service of any kind, as `ops-stubs record` leaves it; people may edit its files.

recording.json                     the format, and the address that was recorded
exchanges/000001/exchange.json     method, target, headers of both sides, status
exchanges/000001/request.json      the bodies, named by their media type; none is written for an empty one
exchanges/000001/response.png
"""

import json
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from ops_contract import ContractError, ContractModel, is_secret, masked_url, media_type_of, parse_json, validate
from ops_stubs.errors import RecordingError

__all__ = ["MAX_ANSWER_BYTES", "MAX_REQUEST_BYTES", "Headers", "ProxiedExchange", "ProxiedFolder", "is_proxied", "kept_headers"]

MAX_REQUEST_BYTES: Final = 16 * 2**20
MAX_ANSWER_BYTES: Final = 64 * 2**20

_INDEX: Final = "recording.json"
_EXCHANGES: Final = "exchanges"
_MOST: Final = 10_000
_MAX_FOLDER_BYTES: Final = 2**30
_MAX_INDEX_BYTES: Final = 2**20
# Of one connection only (RFC 9110, section 7.6.1), or set again for the next.
_HOPS: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

Headers = tuple[tuple[str, str], ...]
"""Names in lower case, in the order in which they came."""

_HeaderFields = Annotated[tuple[Annotated[tuple[str, str], Field(strict=False)], ...], Field(strict=False, max_length=200)]


class _Index(ContractModel):
    format: Literal["ops-stubs-recording-1"]
    url: str


class _ExchangeFile(ContractModel):
    method: Annotated[str, Field(pattern=r"^[!-~]{1,40}$")]
    target: Annotated[str, Field(pattern=r"^/", max_length=65_536)]
    request_headers: _HeaderFields = ()
    status: Annotated[int, Field(ge=200, le=999)]
    response_headers: _HeaderFields = ()


@dataclass(frozen=True)
class ProxiedExchange:
    """A request, by its method, target (path and query) and body, and its answer."""

    method: str
    target: str
    request_headers: Headers
    request: bytes
    status: int
    response_headers: Headers
    response: bytes


def kept_headers(headers: Headers, *, secrets: bool) -> Headers:
    """The headers that belong to a message and not to its connection, with or without those that hold `secrets`."""
    return tuple((name, value) for name, value in headers if name not in _HOPS and (secrets or not is_secret(name)))


def is_proxied(folder: Path) -> bool:
    """Whether the folder is one of these, and not that of a run."""
    return (folder / _INDEX).is_file()


class ProxiedFolder:
    """The exchanges in a folder."""

    def __init__(self, folder: Path, *, most: int = _MOST, max_bytes: int = _MAX_FOLDER_BYTES) -> None:
        """At most so many exchanges, and bytes of their bodies, are kept or read."""
        self.folder = folder
        self._most = most
        self._max_bytes = max_bytes
        self._bytes = 0
        self._count = 0

    @classmethod
    def create(cls, folder: Path, url: str, *, most: int = _MOST, max_bytes: int = _MAX_FOLDER_BYTES) -> "ProxiedFolder":
        """An empty one for the service at `url`. Raises RecordingError where there is something already."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise RecordingError(f"{folder} is not empty; give a new folder")
            (folder / _EXCHANGES).mkdir()
            index = {"format": "ops-stubs-recording-1", "url": masked_url(url)}
            (folder / _INDEX).write_text(f"{json.dumps(index, indent=2)}\n", encoding="utf-8")
        except OSError as error:
            raise RecordingError(f"{folder} cannot be written: {error.strerror}; give another folder") from error
        return cls(folder, most=most, max_bytes=max_bytes)

    def __len__(self) -> int:
        """How many exchanges were added."""
        return self._count

    def add(self, exchange: ProxiedExchange) -> None:
        """Keep an exchange without what is secret in its headers and query. Raises RecordingError."""
        size = len(exchange.request) + len(exchange.response)
        if self._count == self._most or self._bytes + size > self._max_bytes:
            raise RecordingError(
                f"{self.folder} is full: it takes {self._most} exchanges and {self._max_bytes} bytes; record into another"
            )
        number = self._count + 1
        unfinished, folder = (self.folder / _EXCHANGES / f"{prefix}{number:06}" for prefix in (".", ""))
        fields = _fields_of(exchange)
        try:
            unfinished.mkdir()
            (unfinished / "exchange.json").write_text(f"{fields.model_dump_json(indent=2)}\n", encoding="utf-8")
            bodies = (
                ("request", exchange.request_headers, exchange.request),
                (
                    "response",
                    exchange.response_headers,
                    exchange.response,
                ),
            )
            for name, headers, content in bodies:
                if content:
                    (unfinished / f"{name}{_suffix(headers)}").write_bytes(content)
            unfinished.rename(folder)
        except OSError as error:
            raise RecordingError(f"{folder} cannot be written: {error.strerror}") from error
        self._count = number
        self._bytes += size

    def read(self) -> Iterator[ProxiedExchange]:
        """The exchanges in their order. Raises RecordingError."""
        _read_json(self.folder / _INDEX, _Index)
        folders = sorted(path for path in (self.folder / _EXCHANGES).glob("[0-9]*") if path.is_dir())
        if not folders or len(folders) > self._most:
            raise RecordingError(f"{self.folder} has {len(folders)} exchanges; from 1 to {self._most} can be replayed")
        for folder in folders:
            fields = _read_json(folder / "exchange.json", _ExchangeFile)
            request, response = _body(folder, "request", MAX_REQUEST_BYTES), _body(folder, "response", MAX_ANSWER_BYTES)
            self._bytes += len(request) + len(response)
            if self._bytes > self._max_bytes:
                raise RecordingError(f"{self.folder} has more than {self._max_bytes} bytes of bodies")
            yield ProxiedExchange(
                fields.method,
                fields.target,
                fields.request_headers,
                request,
                fields.status,
                fields.response_headers,
                response,
            )


def _fields_of(exchange: ProxiedExchange) -> _ExchangeFile:
    fields = {
        "method": exchange.method,
        "target": masked_url(exchange.target),
        "request_headers": kept_headers(exchange.request_headers, secrets=False),
        "status": exchange.status,
        "response_headers": kept_headers(exchange.response_headers, secrets=False),
    }
    try:
        return validate(_ExchangeFile, fields, "exchange")
    except ContractError as error:
        raise RecordingError(f"it cannot be kept: {error}") from error


def _suffix(headers: Headers) -> str:
    media_type = media_type_of(next((value for name, value in headers if name == "content-type"), ""))
    return mimetypes.guess_extension(media_type) or ".bin"


def _write_body(folder: Path, name: str, headers: Headers, content: bytes) -> None:
    if content:
        (folder / f"{name}{_suffix(headers)}").write_bytes(content)


def _body(folder: Path, name: str, limit: int) -> bytes:
    found = sorted(folder.glob(f"{name}.*"))
    if len(found) > 1:
        raise RecordingError(f"{folder} has {found[0].name} and {found[1].name}; keep one of them")
    return _content(found[0], limit) if found else b""


def _read_json(path: Path, model: type[Any]) -> Any:
    try:
        return validate(model, parse_json(_content(path, _MAX_INDEX_BYTES)), path.name)
    except ContractError as error:
        raise RecordingError(f"{path} is not as `ops-stubs record` writes it: {error}") from error


def _content(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}; copy the whole folder") from error
    if len(content) > limit:
        raise RecordingError(f"{path} is larger than {limit} bytes")
    return content
