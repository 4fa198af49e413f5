"""What an answer found, without all that may differ between equal results, and where two answers differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops_contract import ContractError, differences, fingerprint, sha256_hex
from ops_contract.compliance.checks.artifact_files import fetched_files
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Seen


@dataclass(frozen=True)
class Result:
    """An answer, what its `outputs` and `evidence` say, and the sha256 of each artifact: as stated, and of its bytes."""

    seen: Seen
    found: Mapping[str, Any]
    artifacts: Mapping[str, Any]


async def result_of(module: ModuleUnderTest, seen: Seen) -> Result:
    """The result in an answer; fetches its artifacts."""
    files = await fetched_files(module, seen)
    artifacts = {
        file.name: [file.described.get("sha256"), None if file.content is None else sha256_hex(file.content)] for file in files
    }
    return Result(seen, {"outputs": seen.fields.get("outputs"), "evidence": timeless(seen.fields.get("evidence"))}, artifacts)


def timeless(evidence: Any) -> Any:
    """Evidence without `observed_at`, the one field that may differ between equal results."""
    if not isinstance(evidence, list):
        return evidence
    return [
        {name: value for name, value in item.items() if name != "observed_at"} if isinstance(item, dict) else item
        for item in evidence
    ]


def is_equal(first: Any, second: Any) -> bool:
    """Whether two JSON values are equal as canonical JSON."""
    try:
        return fingerprint(first) == fingerprint(second)
    except (ContractError, ValueError):  # half of a surrogate pair belongs to OPS-EXE-004
        return repr(first) == repr(second)


def difference(first: Any, second: Any) -> str:
    """Where two values that are not equal differ first, and what became of the first value there."""
    place = next(differences(first, second), None)
    if place is None:
        return "they differ in characters that are not Unicode text"
    return place.change()
