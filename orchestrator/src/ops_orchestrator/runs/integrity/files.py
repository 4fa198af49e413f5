"""The files of a run against its manifest, and against everything else that says what is in them."""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final

from ops_contract import JsonError, parse_json
from ops_orchestrator.errors import DamagedRunError, NotFoundError, StoreError
from ops_orchestrator.runs.integrity.finding import Findings
from ops_orchestrator.runs.provenance import manifest
from ops_orchestrator.runs.record import DERIVED, MANIFEST, RECORD, RESULTS, SIGNATURE
from ops_orchestrator.runs.store.protocols import StoredRun
from ops_orchestrator.runs.store.reading import MOST_VALUES

_LINE: Final = re.compile(rb"([0-9a-f]{64})  (.+)\n")
# A run has 1,000 artifacts a step at most, unless the operator raised that.
_MOST_FILES: Final = 100_000
_PIECE_BYTES: Final = 1024 * 1024
_MISSING: Final = "no such file"


@dataclass(frozen=True, slots=True)
class _Claim:
    """What `source` says of a file; `size` is in bytes, None when it does not say."""

    source: str
    sha256: str
    size: int | None


class Claims:
    """What all documents of a run say of its files, by path: several may speak of one file."""

    def __init__(self) -> None:
        self._by_path: dict[str, list[_Claim]] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._by_path

    def add(self, path: str, sha256: str, size: int | None, source: str) -> None:
        """Note what `source` says of a file."""
        self._by_path.setdefault(path, []).append(_Claim(source, sha256, size))

    def check(self, run: StoredRun, findings: Findings) -> None:
        """Find the files that are missing, or other than somebody says. Each is read once, unless its size is wrong already."""
        for path, claims in self._by_path.items():
            try:
                _check_file(run, path, claims, findings)
            except NotFoundError:
                findings.add(path, f"a file, {_by(claims)}", _MISSING)
            except (StoreError, OSError) as error:
                findings.add(path, "a file that can be read", _reason(error))


@dataclass(frozen=True)
class CheckedFolder:
    """The run that is checked, the names of its files, and what was found so far.

    `names` is None when they cannot be listed, since there is something that no run has, such as a link. `record` is the
    content of run.json, None as for `content`.
    """

    run: StoredRun
    names: Collection[str] | None
    findings: Findings
    record: bytes | None
    claims: Claims = field(default_factory=Claims)

    @classmethod
    def of(cls, run: StoredRun) -> "CheckedFolder":
        """The folder of a run. Raises NotFoundError, StoreError."""
        findings = Findings()
        names = _names(run, findings)
        record = _content(run, RECORD, names, findings)
        # Listed again: when run.json says that the run is over, all of its files are in place, and were not before.
        return cls(run, None if names is None else _names(run, findings), findings, record)

    def content(self, name: str) -> bytes | None:
        """The bytes of a document; None when it is missing, or cannot be read, which is a finding."""
        return self.record if name == RECORD else _content(self.run, name, self.names, self.findings)

    def values(self, name: str) -> Mapping[str, Any] | None:
        """The JSON object in a document; None as for `content`, and when there is none, which is a finding."""
        content = self.content(name)
        if content is None:
            return None
        try:
            values = parse_json(content, max_values=MOST_VALUES.get(name, MOST_VALUES[RESULTS]))
        except JsonError as error:
            self.findings.add(name, "strict JSON", str(error))
            return None
        if isinstance(values, dict):
            return values
        self.findings.add(name, "a JSON object", "another JSON value")
        return None


def _names(run: StoredRun, findings: Findings) -> Collection[str] | None:
    try:
        return frozenset(run.files())
    except DamagedRunError as error:
        findings.add(error.name or run.run_id, "plain files and folders only", error.cause)
        return None


def _content(run: StoredRun, name: str, names: Collection[str] | None, findings: Findings) -> bytes | None:
    try:
        return run.document(name) if names is None or name in names else None
    except NotFoundError:
        return None
    except (StoreError, OSError) as error:
        findings.add(name, "a file that can be read", _reason(error))
        return None


def read_manifest(content: bytes, findings: Findings) -> dict[str, str]:
    """The SHA-256 of each file that a manifest lists, by path."""
    before = len(findings)
    listed: dict[str, str] = {}
    for number, line in enumerate(BytesIO(content), start=1):
        match = _LINE.fullmatch(line)
        path = match[2].decode(errors="replace") if match else ""
        if findings.left_out or len(listed) == _MOST_FILES:
            findings.add(MANIFEST, f"at most {_MOST_FILES:,} files, and few errors", f"more, from line {number} on")
            break
        if match is None:
            findings.add(MANIFEST, f"a SHA-256, two spaces, a path and a newline as line {number}", repr(line[:120]))
        else:
            listed[path] = match[1].decode()
    if len(findings) == before and manifest(listed).encode(errors="replace") != content:
        findings.add(MANIFEST, "each file once, in the order of their paths", "a file twice, or another order")
    return listed


def check_listed(
    folder: CheckedFolder, listed: Mapping[str, str], needed: Collection[str], named: Collection[str] | None
) -> None:
    """Find files that the manifest should list and does not, and such as should not be there.

    `needed` are the documents that each run has, and `named` the files that its log names, None when nobody knows.
    """
    findings = folder.findings
    if folder.names is None or MANIFEST in folder.names:
        for path in sorted({*needed, *(named or ())} - listed.keys()):
            findings.add(MANIFEST, f"a line for {path}", "no such line")
    for path in sorted({*(folder.names or ())} - listed.keys() - {MANIFEST, SIGNATURE}):
        if path in DERIVED:
            findings.note(f"{path} is made from the folder: {MANIFEST} does not cover it")
        elif path not in needed and path not in folder.claims:
            findings.add(path, f"{_MISSING}, since {MANIFEST} does not list it", "a file")
    if named is not None:
        for path in sorted(listed.keys() - {*needed, *named}):
            findings.add(path, "a file that a line of the log names", f"a file that only {MANIFEST} names")
    if folder.names is not None:
        for path in sorted({*needed, MANIFEST} - {*folder.names} - listed.keys()):
            findings.add(path, "a file that every run has", _MISSING)


def _check_file(run: StoredRun, path: str, claims: list[_Claim], findings: Findings) -> None:
    with closing(run.open(path)) as opened:
        sizes = dict.fromkeys(claim.size for claim in claims if claim.size not in (None, opened.size))
        for size in sizes:
            stated_by = _by(claim for claim in claims if claim.size == size)
            findings.add(path, f"{size:,} bytes, {stated_by}", f"{opened.size:,} bytes")
        if sizes:
            return
        digest = hashlib.sha256()
        while piece := opened.file.read(_PIECE_BYTES):
            digest.update(piece)
    found = digest.hexdigest()
    for sha256 in dict.fromkeys(claim.sha256 for claim in claims if claim.sha256 != found):
        stated_by = _by(claim for claim in claims if claim.sha256 == sha256)
        findings.add(path, f"SHA-256 {sha256}, {stated_by}", f"SHA-256 {found}")


def _reason(error: Exception) -> str:
    """Why a file cannot be used, without the name of the file and what to do about it."""
    if isinstance(error, DamagedRunError):
        return error.cause
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _by(claims: Iterable[_Claim]) -> str:
    """By whom it is stated, in words."""
    sources = list(dict.fromkeys(claim.source for claim in claims))
    return f"as {' and '.join(sources)} {'say' if len(sources) > 1 else 'says'}"
