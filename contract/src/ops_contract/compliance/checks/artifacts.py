"""The artifacts of an answer: whether they are described, can be fetched, and match their description."""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Final
from urllib.parse import quote

from ops_contract import Violation, media_type_of
from ops_contract.compliance.checks.answers import good_answers, judged_by_violations
from ops_contract.compliance.checks.artifact_files import ArtifactFile, fetched_files, file_violations
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, met, untested
from ops_contract.compliance.requirement import ids_of

_EXPECTED: Final = {
    "OPS-ART-001": "name, media_type, size_bytes, sha256 and exactly one of data, text, href",
    "OPS-ART-005": "relative names without odd segments that one folder can hold",
}
_EXPECTED_OF_FILES: Final = {
    "OPS-ART-002": "the bytes",
    "OPS-ART-003": "bytes with the stated sha256",
    "OPS-ART-004": "as many bytes as stated",
}
_NO_FILE: Final = "no answer has an artifact; give inputs with which one has (--inputs)"
_TRAVERSALS: Final = ("../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd", "%252e%252e%252fetc%252fpasswd")
_STARTS: Final = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "application/pdf": b"%PDF-",
    "application/zip": b"PK",
    "application/gzip": b"\x1f\x8b",
}


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Fetch every artifact of the good answers, and request paths that must not be served."""
    answers = await good_answers(module)
    described = {requirement: judged_by_violations(requirement, text, answers) for requirement, text in _EXPECTED.items()}
    files = [file for answer in answers for file in await fetched_files(module, answer.seen)]
    if not files:
        for requirement in ids_of("artifacts"):
            observation = described.get(requirement)
            yield observation if observation and not observation.met else untested(requirement, _NO_FILE, answers[0].seen)
        return
    for observation in described.values():
        yield observation
    wrong = [(file, violation) for file in files for violation in file_violations(file)]
    for requirement, expected in _EXPECTED_OF_FILES.items():
        yield _first(requirement, expected, wrong, files)
    yield await _traversals(module, files)
    yield _media_types(files)


def _first(
    requirement: str, expected: str, wrong: Sequence[tuple[ArtifactFile, Violation]], files: Sequence[ArtifactFile]
) -> Observation:
    for file, violation in wrong:
        if violation.requirement == requirement:
            return broken(requirement, f"{file.name}: {expected}", violation.message, file.seen)
    return met(requirement, files[0].seen)


async def _traversals(module: ModuleUnderTest, files: Sequence[ArtifactFile]) -> Observation:
    hrefs = [str(file.described["href"]) for file in files if isinstance(file.described.get("href"), str)]
    bases = {href.rpartition("/")[0] for href in hrefs} or {"artifacts"}
    for base in sorted(bases):
        for traversal in _TRAVERSALS:
            seen = Seen(await module.probe.send("GET", f"{base}/{traversal}"))
            if not seen.is_refusal:
                return broken("OPS-ART-006", "4xx", f"{seen.summary()} for {quote(base)}/{traversal}", seen)
    return met("OPS-ART-006", seen)


def _media_types(files: Sequence[ArtifactFile]) -> Observation:
    for file in files:
        if file.content is not None and not _is_of_media_type(file.media_type, file.content):
            return broken("OPS-ART-007", f"{file.name}: content of the stated media type", f"not {file.media_type}", file.seen)
    return met("OPS-ART-007", files[0].seen)


def _is_of_media_type(media_type: str, content: bytes) -> bool:
    essence = media_type_of(media_type)
    if essence in _STARTS:
        return content.startswith(_STARTS[essence])
    if essence == "application/json":
        return _parses(content)
    if essence.startswith("text/"):
        return b"\x00" not in content
    return True


def _parses(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    except RecursionError:  # too deep to tell; not a contradiction
        return True
    return True
