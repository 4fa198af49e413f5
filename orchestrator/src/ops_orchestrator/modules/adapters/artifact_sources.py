"""Where the artifacts of a module are that does not speak the contract, as its adapter declares."""

import base64
import binascii
import mimetypes
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from email.message import Message
from email.utils import collapse_rfc2231_value
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import unquote

from pydantic import TypeAdapter, ValidationError

from ops_contract import (
    LONGEST_DESCRIPTION,
    LONGEST_TITLE,
    ArtifactName,
    ArtifactRef,
    ShapeError,
    unstorable_names,
    validate,
)
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.adapters.artifact_mapping import ArtifactMapping
from ops_orchestrator.modules.adapters.declaration import Action
from ops_orchestrator.modules.adapters.evaluation import Evaluation
from ops_orchestrator.modules.adapters.own_address import target_of
from ops_orchestrator.modules.adapters.request import headers_without_body
from ops_orchestrator.modules.answer import (
    UNKNOWN_TYPE,
    ArtifactSource,
    Caption,
    InlineFile,
    LinkedFile,
    SharedFile,
    guessed_type,
)

_NAME: Final[TypeAdapter[str]] = TypeAdapter(ArtifactName)
_SHA256: Final = re.compile(r"(?:sha-?256:)?([0-9a-f]{64})", re.IGNORECASE)
_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)


class ArtifactSources:
    """The artifacts that `action` declares, in one answer; files on a volume may be taken from below `root`."""

    def __init__(self, action: Action, root: Path | None, evaluation: Evaluation, exchange: Exchange) -> None:
        self._action = action
        self._root = root
        self._evaluation = evaluation
        self._exchange = exchange

    def all(self) -> Iterator[ArtifactSource]:
        """Where the artifacts are, in the order of the declaration; files of one name keep their folders in it."""
        sources = list(self._declared_sources())
        names = Counter(source.name.casefold() for source in sources)
        for source in sources:
            twice = names[source.name.casefold()] > 1
            below = _below(source) if twice else None
            yield replace(source, name=below) if below and isinstance(source, SharedFile | LinkedFile) else source

    def _declared_sources(self) -> Iterator[ArtifactSource]:
        for index, mapping in enumerate(self._action.artifacts):
            where = f"artifacts[{index}]"
            if mapping.each is None:
                yield self._source(_Entry(where, mapping, self._evaluation))
                continue
            items = self._evaluation.value(f"{where}.each", mapping.each)
            for item in items if isinstance(items, list) else [] if items is None else [items]:
                yield self._source(_Entry(where, mapping, self._evaluation.with_item(item)))

    def _source(self, entry: "_Entry") -> ArtifactSource:
        mapping = entry.mapping
        source = (
            self._linked(entry)
            if mapping.url is not None
            else self._shared(entry, self._root)
            if mapping.path is not None and self._root is not None
            else self._inline(entry)
        )
        entry.refuse_unusable(source)
        return replace(source, caption=entry.caption)

    def _linked(self, entry: "_Entry") -> LinkedFile:
        url, where = entry.required("url"), f"{entry.where}.url"
        href = target_of(url, entry.evaluation, where)
        name = entry.name or _path_of(href).name
        if not name:
            raise entry.evaluation.failure(where, f"yields {url!r}, which names no file; declare a name for it")
        headers = headers_without_body(self._action, self._evaluation)
        return LinkedFile(name, entry.text("media_type"), href, headers, entry.sha256)

    def _shared(self, entry: "_Entry", root: Path) -> SharedFile:
        path = entry.required("path")
        name = entry.name or PurePosixPath(path).name
        if name in ("", ".."):
            raise entry.evaluation.failure(f"{entry.where}.path", f"yields {path!r}, which names no file")
        return SharedFile(name, entry.text("media_type") or guessed_type(name), path, root, entry.sha256)

    def _inline(self, entry: "_Entry") -> InlineFile:
        name, content = entry.name or self._name_of_answer(), entry.content
        is_answer = content is None
        own_type = self._exchange.media_type if is_answer and _TYPE.fullmatch(self._exchange.media_type) else ""
        media_type = entry.text("media_type") or own_type or guessed_type(name)
        return InlineFile(name, media_type, self._exchange.response if content is None else content)

    def _name_of_answer(self) -> str:
        """The name in Content-Disposition (RFC 6266), else one made of the action; never with a folder in it."""
        given = PurePosixPath(_file_name(self._exchange).replace("\\", "/")).name
        if _can_be_stored(given):
            return given
        return f"{self._evaluation.action}{mimetypes.guess_extension(self._exchange.media_type) or '.bin'}"


@dataclass(frozen=True)
class _Entry:
    """One declared artifact; with `each`, that of one item of its list."""

    where: str
    mapping: ArtifactMapping
    evaluation: Evaluation

    @property
    def name(self) -> str | None:
        """The declared name."""
        return None if self.mapping.name is None else self.required("name")

    @property
    def sha256(self) -> str | None:
        """The digest that the file must have, None where the module states none."""
        digest = self.text("sha256")
        if not digest:
            return None
        found = _SHA256.fullmatch(digest.strip())
        if found is None:
            raise self.evaluation.failure(f"{self.where}.sha256", f"yields {digest!r}, which is not a SHA-256 digest in hex")
        return found[1].lower()

    @property
    def caption(self) -> Caption:
        """What the module says of it for people, cut where the contract allows no more."""
        title, description = self.text("title") or "", self.text("description") or ""
        return Caption(title[:LONGEST_TITLE] or None, description[:LONGEST_DESCRIPTION] or None)

    @property
    def content(self) -> bytes | None:
        """The bytes that are a part of the answer; None when they are all of it."""
        mapping, evaluation = self.mapping, self.evaluation
        if mapping.text is not None:
            value = evaluation.required(f"{self.where}.text", mapping.text)
            if isinstance(value, dict | list):
                raise evaluation.failure(f"{self.where}.text", f"must yield text; write $string({mapping.text.text}, true)")
            return evaluation.as_text(f"{self.where}.text", value).encode()
        if mapping.base64 is None:
            return None
        try:
            return base64.b64decode("".join(self.required("base64").split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise evaluation.failure(f"{self.where}.base64", f"does not yield base64: {error}") from error

    def text(self, key: str) -> str | None:
        """The value of a key, None for nothing."""
        return self.evaluation.text(f"{self.where}.{key}", getattr(self.mapping, key))

    def required(self, key: str) -> str:
        """The value of a key, which must be something."""
        where = f"{self.where}.{key}"
        return self.evaluation.as_text(where, self.evaluation.required(where, getattr(self.mapping, key)))

    def refuse_unusable(self, source: ArtifactSource) -> None:
        """Raise StepError for a name or a type that no artifact can have."""
        media_type = source.media_type or UNKNOWN_TYPE
        described = {"name": source.name, "media_type": media_type, "size_bytes": 0, "sha256": "0" * 64}
        try:
            validate(ArtifactRef, described, self.where)
        except ShapeError as error:
            problem = error.problems[0]
            raise self.evaluation.failure(f"{self.where}.{problem.pointer.strip('/')}", problem.message) from error


def _path_of(href: str) -> PurePosixPath:
    """The path of an address below a module's own, as a name has it."""
    return PurePosixPath(unquote(href.partition("?")[0]))


def _below(source: ArtifactSource) -> str | None:
    """The path of a file on its volume or at its module, as a name; None when it has another name, or no such path."""
    if isinstance(source, SharedFile):
        path = PurePosixPath(source.path)
        inside = path.relative_to(source.root) if path.is_relative_to(source.root) else path
    elif isinstance(source, LinkedFile):
        path = _path_of(source.href)
        inside = path.relative_to("/")
    else:
        return None
    named_by_path = source.name == path.name and not inside.is_absolute() and ".." not in inside.parts
    return str(inside) if named_by_path else None


def _can_be_stored(name: str) -> bool:
    try:
        _NAME.validate_python(name)
    except ValidationError:
        return False
    return not any(unstorable_names([name]))


def _file_name(exchange: Exchange) -> str:
    """The name in Content-Disposition; the extended form wins over the plain one (RFC 6266, section 4.3)."""
    header = Message()
    header["Content-Disposition"] = exchange.headers.get("content-disposition", "")
    parameters = header.get_params(failobj=[], header="content-disposition")
    names: list[Any] = [value for name, value in parameters if name.lower() == "filename"]
    names.sort(key=lambda value: not isinstance(value, tuple))
    with suppress(UnicodeError):  # in a charset that cannot be read
        return collapse_rfc2231_value(names[0]) if names else ""
    return ""
