"""The files of an answer: described, to be had, and what they claim to be."""

import base64
import binascii
import hashlib
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from ops_contract import Artifact, ArtifactName, ShapeError
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, met, problems_in, untested

IDS = tuple(f"OPS-ART-00{number}" for number in range(1, 8))

_NAME: Final[TypeAdapter[str]] = TypeAdapter(ArtifactName)
_DELIVERIES: Final = ("data", "text", "href")
_TRAVERSALS: Final = ("../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd", "%252e%252e%252fetc%252fpasswd")
_STARTS: Final = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "application/pdf": b"%PDF-",
    "application/zip": b"PK",
    "application/gzip": b"\x1f\x8b",
}


@dataclass(frozen=True)
class _File:
    described: dict[str, Any]
    content: bytes | None
    seen: Seen

    @property
    def name(self) -> str:
        return str(self.described.get("name"))


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Get every artifact of a good answer, and what must not be had beside them."""
    answer = await _with_artifacts(module)
    items = answer.fields.get("artifacts", [])
    described = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    if not isinstance(items, list) or len(described) < len(items):
        yield broken("OPS-ART-001", "artifacts is an array of objects", f"it is {json.dumps(items)[:200]}", answer)
        for requirement in IDS[1:]:
            yield untested(requirement, "artifacts is no array of objects", answer)
        return
    if not described:
        for requirement in IDS:
            yield untested(requirement, "the answer has no artifact; give inputs with which it has one (--inputs)", answer)
        return
    files = [await _fetched(module, item, answer) for item in described]
    had = [file for file in files if file.content is not None]
    yield _described(files, answer)
    yield _first("OPS-ART-002", "the bytes", [(file, file.seen.told()) for file in files if file.content is None], files)
    yield _first("OPS-ART-003", "the stated sha256", [(file, _sha256(file)) for file in had if not _has_hash(file)], files)
    yield _first("OPS-ART-004", "the stated size", [(file, _size(file)) for file in had if not _has_size(file)], files)
    yield _names(files, answer)
    yield await _traversals(module, described)
    contrary = [(file, f"not {file.described.get('media_type')}") for file in had if not _is_what_it_says(file)]
    yield _first("OPS-ART-007", "content of the stated media type", contrary, files)


async def _with_artifacts(module: ModuleUnderTest) -> Seen:
    """The answer of the first action that gives artifacts; without any, that of the usual one."""
    usual = Seen(await module.execute(module.request()))
    others = [action for action in module.actions if action != module.action] if "artifacts" in module.profiles else []
    for action in others if not usual.fields.get("artifacts") else ():
        seen = Seen(await module.execute(module.request(action=action)))
        if seen.fields.get("artifacts"):
            return seen
    return usual


async def _fetched(module: ModuleUnderTest, item: dict[str, Any], answer: Seen) -> _File:
    if isinstance(item.get("text"), str):
        return _File(item, item["text"].encode(errors="replace"), answer)
    if isinstance(item.get("data"), str):
        try:
            return _File(item, base64.b64decode(item["data"], validate=True), answer)
        except (binascii.Error, ValueError):
            return _File(item, None, answer)
    if not isinstance(item.get("href"), str):
        return _File(item, None, answer)
    seen = Seen(await module.probe.send("GET", item["href"], timeout_s=module.timeout_s))
    whole = seen.exchange.status == 200 and seen.exchange.error is None
    return _File(item, seen.exchange.body if whole else None, seen)


def _described(files: list[_File], answer: Seen) -> Observation:
    expected = "name, media_type, size_bytes, sha256 and exactly one of data, text, href"
    for file in files:
        item = file.described
        ways = [way for way in _DELIVERIES if way in item]
        texts = all(isinstance(item.get(name), str) for name in ("name", "media_type", "sha256"))
        if not texts or type(item.get("size_bytes")) is not int or len(ways) != 1:
            return broken("OPS-ART-001", expected, f"{file.name}: {', '.join(item)}", answer)
        if problems := _of_another_form(item):
            return broken("OPS-ART-001", f"{expected}, as the schema says", f"{file.name}: {'; '.join(problems)}", answer)
    return met("OPS-ART-001", answer)


def _of_another_form(item: dict[str, Any]) -> list[str]:
    """What the schema says of the fields that no other requirement speaks of."""
    return [str(problem) for problem in problems_in(Artifact, item) if problem.pointer in ("/media_type", "/href")]


def _names(files: list[_File], answer: Seen) -> Observation:
    taken: set[str] = set()
    for file in files:
        try:
            _NAME.validate_python(file.described.get("name"))
        except (ValidationError, ShapeError):
            return broken("OPS-ART-005", "a relative name without odd segments", repr(file.name), answer)
        if file.name.casefold() in taken:
            return broken("OPS-ART-005", "names that differ also ignoring case", repr(file.name), answer)
        taken.add(file.name.casefold())
    return met("OPS-ART-005", answer)


async def _traversals(module: ModuleUnderTest, described: list[dict[str, Any]]) -> Observation:
    hrefs = [str(item["href"]) for item in described if isinstance(item.get("href"), str)]
    bases = {href.rpartition("/")[0] for href in hrefs} or {"artifacts"}
    for base in sorted(bases):
        for traversal in _TRAVERSALS:
            seen = Seen(await module.probe.send("GET", f"{base}/{traversal}"))
            if not seen.is_refusal:
                return broken("OPS-ART-006", "4xx", f"{seen.told()} for {quote(base)}/{traversal}", seen)
    return met("OPS-ART-006", seen)


def _first(requirement: str, expected: str, wrong: list[tuple[_File, str]], files: list[_File]) -> Observation:
    if not wrong:
        return met(requirement, files[0].seen)
    file, said = wrong[0]
    return broken(requirement, f"{file.name}: {expected}", said, file.seen)


def _sha256(file: _File) -> str:
    return f"the bytes have {hashlib.sha256(file.content or b'').hexdigest()}, the answer says {file.described.get('sha256')}"


def _has_hash(file: _File) -> bool:
    return hashlib.sha256(file.content or b"").hexdigest() == file.described.get("sha256")


def _size(file: _File) -> str:
    return f"{len(file.content or b'')} bytes, the answer says {file.described.get('size_bytes')}"


def _has_size(file: _File) -> bool:
    return len(file.content or b"") == file.described.get("size_bytes")


def _is_what_it_says(file: _File) -> bool:
    media_type, content = str(file.described.get("media_type")).partition(";")[0], file.content or b""
    if media_type in _STARTS:
        return content.startswith(_STARTS[media_type])
    if media_type == "application/json":
        return _parses(content)
    if media_type.startswith("text/"):
        return b"\x00" not in content
    return True


def _parses(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    except RecursionError:  # JSON as far as can be told
        return True
    return True
