"""The checks of an envelope that a schema cannot make: uniqueness, references, and the bytes of artifacts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from ops_contract._artifact import ArtifactRef
from ops_contract._artifact_name import unstorable_names
from ops_contract._base import excerpt
from ops_contract._envelope import SuccessEnvelope
from ops_contract._errors import MAX_PROBLEMS
from ops_contract._json import join_pointer, split_pointer

__all__ = ["Violation", "content_violation", "resolve_pointer", "violations"]

_ARRAY_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,15}")


@dataclass(frozen=True)
class Violation:
    """A requirement that an answer breaks: its id, where, and how."""

    requirement: str
    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.requirement} at {self.pointer or 'the whole answer'}: {self.message}"


def violations(envelope: SuccessEnvelope, *, module: str) -> tuple[Violation, ...]:
    """The breaches of a MUST in an envelope of the module `module` that the schema accepts, except in the artifacts' bytes.

    At most twenty are listed of those in the artifacts, and of those in the evidence.
    """
    parts = (_identity(envelope, module), _artifact_names(envelope), _evidence(envelope))
    return tuple(violation for part in parts for violation in islice(part, MAX_PROBLEMS))


def content_violation(artifact: ArtifactRef, size_bytes: int, sha256: str) -> Violation | None:
    """Compare the stated size and hash of an artifact with the measured `size_bytes` and `sha256` (OPS-ART-003, -004)."""
    if size_bytes != artifact.size_bytes:
        message = f"{artifact.name!r} has {size_bytes} bytes, its envelope says {artifact.size_bytes}"
        return Violation("OPS-ART-004", "/artifacts", message)
    if sha256 != artifact.sha256:
        message = f"{artifact.name!r} has the sha256 {sha256}, its envelope says {artifact.sha256}"
        return Violation("OPS-ART-003", "/artifacts", message)
    return None


def resolve_pointer(value: Any, pointer: str) -> Any:
    """Follow an RFC 6901 pointer into `value`. Raises LookupError where it leads nowhere."""
    if pointer and not pointer.startswith("/"):
        raise LookupError(pointer)
    for key in split_pointer(pointer):
        if isinstance(value, dict):
            value = value[key]
        elif isinstance(value, list) and _ARRAY_INDEX.fullmatch(key):
            value = value[int(key)]
        else:
            raise LookupError(pointer)
    return value


def _identity(envelope: SuccessEnvelope, module: str) -> Iterator[Violation]:
    if envelope.module != module:
        yield Violation("OPS-EXE-002", "/module", f"is {envelope.module!r}, but /health says {module!r}")


def _artifact_names(envelope: SuccessEnvelope) -> Iterator[Violation]:
    for index, message in unstorable_names(artifact.name for artifact in envelope.artifacts):
        yield Violation("OPS-ART-005", join_pointer(join_pointer("/artifacts", index), "name"), message)


def _evidence(envelope: SuccessEnvelope) -> Iterator[Violation]:
    names = {artifact.name for artifact in envelope.artifacts}
    seen: set[str] = set()
    for index, evidence in enumerate(envelope.evidence):
        pointer = join_pointer("/evidence", index)
        if evidence.id in seen:
            yield Violation("OPS-EVD-001", join_pointer(pointer, "id"), f"{excerpt(evidence.id)} is used twice")
        seen.add(evidence.id)
        if evidence.artifact is not None and evidence.artifact not in names:
            yield Violation(
                "OPS-EVD-002", join_pointer(pointer, "artifact"), f"no artifact is named {excerpt(evidence.artifact)}"
            )
        for at, target in enumerate(evidence.supports):
            try:
                resolve_pointer(envelope.outputs, target)
            except LookupError:
                where = join_pointer(join_pointer(pointer, "supports"), at)
                yield Violation("OPS-EVD-002", where, f"{excerpt(target)} leads nowhere in outputs")
