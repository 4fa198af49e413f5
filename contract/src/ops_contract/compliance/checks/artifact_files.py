"""The bytes of an answer's artifacts, inline or fetched, and whether they match their description."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ops_contract import Violation, join_pointer, sha256_hex
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Seen


@dataclass(frozen=True)
class ArtifactFile:
    """An artifact, described at `pointer`; `content` is None when its bytes could not be read, and `seen` shows why."""

    described: dict[str, Any]
    pointer: str
    content: bytes | None
    seen: Seen

    @property
    def name(self) -> str:
        """Its name; of any type in the answer, a string here."""
        return str(self.described.get("name"))

    @property
    def media_type(self) -> str:
        """Its media type; of any type in the answer, a string here."""
        return str(self.described.get("media_type"))


async def fetched_files(module: ModuleUnderTest, answer: Seen) -> list[ArtifactFile]:
    """Every artifact of an answer that is an object, with its bytes."""
    items = answer.fields.get("artifacts")
    return [
        await _fetched(module, item, join_pointer("/artifacts", index), answer)
        for index, item in enumerate(items if isinstance(items, list) else ())
        if isinstance(item, dict)
    ]


def file_violations(file: ArtifactFile) -> Iterator[Violation]:
    """Where the bytes contradict their description (OPS-ART-002 to OPS-ART-004)."""
    if file.content is None:
        yield Violation("OPS-ART-002", file.pointer, f"the bytes of {file.name!r} cannot be fetched: {_reason(file)}")
        return
    if (digest := sha256_hex(file.content)) != (stated := file.described.get("sha256")):
        yield Violation("OPS-ART-003", file.pointer, f"the bytes of {file.name!r} have the sha256 {digest}, not {stated}")
    if (size := len(file.content)) != (stated := file.described.get("size_bytes")):
        yield Violation("OPS-ART-004", file.pointer, f"{file.name!r} has {size} bytes, not {stated}")


def _reason(file: ArtifactFile) -> str:
    if isinstance(file.described.get("href"), str):
        return f"GET answers {file.seen.summary()}"
    return "neither text nor data holds them, and there is no href"


async def _fetched(module: ModuleUnderTest, item: dict[str, Any], pointer: str, answer: Seen) -> ArtifactFile:
    if isinstance(item.get("text"), str):
        return ArtifactFile(item, pointer, item["text"].encode(errors="replace"), answer)
    if isinstance(item.get("data"), str):
        try:
            return ArtifactFile(item, pointer, base64.b64decode(item["data"], validate=True), answer)
        except (binascii.Error, ValueError):
            return ArtifactFile(item, pointer, None, answer)
    if not isinstance(item.get("href"), str):
        return ArtifactFile(item, pointer, None, answer)
    seen = Seen(await module.probe.send("GET", item["href"], timeout_s=module.timeout_s))
    return ArtifactFile(item, pointer, seen.exchange.body if seen.is_done else None, seen)
