"""Violations of the requirements on artifacts, evidence and key figures."""

from dataclasses import replace
from typing import Any, Final

from ops_contract import Evidence, sha256_hex
from ops_stubs.faults.exchange import Reply
from ops_stubs.faults.violation import Envelope, Exchange, Execution, Violation, on_success
from ops_stubs.module import Result

__all__ = ["RESULTS"]

_TRAVERSAL: Final = ("..", "%2e", "%2f", "%5c", "%25", "%00")


def _first_artifact(envelope: Envelope) -> dict[str, Any]:
    artifacts = envelope.get("artifacts") or [{}]
    first: dict[str, Any] = artifacts[0]
    return first


def _no_media_type(envelope: Envelope) -> None:
    _first_artifact(envelope).pop("media_type", None)


def _leads_nowhere(envelope: Envelope) -> None:
    artifact = _first_artifact(envelope)
    if not artifact:
        return
    for delivery in ("data", "text", "href"):
        artifact.pop(delivery, None)
    artifact["href"] = "artifacts/not-kept/not-kept/file"


def _other_hash(envelope: Envelope) -> None:
    artifact = _first_artifact(envelope)
    if artifact:
        # Derived from the right one, so that equal results still have equal hashes.
        artifact["sha256"] = sha256_hex(artifact["sha256"].encode())


def _one_byte_more(envelope: Envelope) -> None:
    artifact = _first_artifact(envelope)
    if artifact:
        artifact["size_bytes"] += 1


def _same_name_in_capitals(envelope: Envelope) -> None:
    artifact = _first_artifact(envelope)
    if artifact:
        envelope["artifacts"].append({**artifact, "name": artifact["name"].upper()})


async def _serves_traversals(exchange: Exchange) -> Reply:
    raw_path = exchange.received.raw_path.lower()
    is_traversal = raw_path.startswith("/artifacts") and any(token in raw_path for token in _TRAVERSAL)
    if exchange.received.method != "GET" or not is_traversal:
        return await exchange.forward()
    return Reply(200, (("content-type", "text/plain"),), b"").with_content(b"root:x:0:0:root:/root:/bin/sh\n")


def _other_media_type(envelope: Envelope) -> None:
    artifact = _first_artifact(envelope)
    if artifact:
        artifact["media_type"] = "application/json" if artifact["media_type"] == "image/png" else "image/png"


def _evidence_of(result: Result) -> tuple[Evidence, ...]:
    return result.evidence or (Evidence(id="e1", kind="computation", title="Synthetic figures of the stub", synthetic=True),)


def _id_twice(execution: Execution) -> Result:
    result = execution.action(execution.call)
    first, *others = _evidence_of(result)
    return replace(result, evidence=(first, *others, first))


def _supports_nothing(execution: Execution) -> Result:
    result = execution.action(execution.call)
    first, *others = _evidence_of(result)
    pointing = first.model_copy(update={"supports": (*first.supports, "/nowhere/at/all")})
    return replace(result, evidence=(pointing, *others))


def _not_synthetic(envelope: Envelope) -> None:
    for item in envelope.get("evidence", []):
        item.pop("synthetic", None)


def _figures_without_words(envelope: Envelope) -> None:
    outputs = envelope["outputs"]
    outputs.setdefault("kpis", {"figures": len(outputs)})
    for part in ("units", "labels"):
        outputs.pop(part, None)


RESULTS: Final = (
    Violation(
        "OPS-ART-001",
        "the first artifact has no media_type",
        "media_type is absent; name, size, hash and bytes are right",
        on_success(_no_media_type),
    ),
    Violation(
        "OPS-ART-002",
        "the first artifact is delivered by an href at which nothing is kept",
        "GET of the href is a 404; size and hash are those of the real file",
        on_success(_leads_nowhere),
    ),
    Violation(
        "OPS-ART-003",
        "the first artifact states another sha256, the same one every time",
        "the sha256 of its bytes differs from the stated one; the size is right",
        on_success(_other_hash),
    ),
    Violation(
        "OPS-ART-004",
        "the first artifact states one byte too many",
        "size_bytes is the number of its bytes and one; the hash is right",
        on_success(_one_byte_more),
    ),
    Violation(
        "OPS-ART-005",
        "the first artifact comes a second time with its name in capitals",
        "two names are equal ignoring case; both files can be fetched",
        on_success(_same_name_in_capitals),
    ),
    Violation(
        "OPS-ART-006",
        "a traversal path below /artifacts answers a (made-up) password file",
        "GET /artifacts/x/%2e%2e/y, with .. as it is or encoded once or twice, is a 200",
        _serves_traversals,
    ),
    Violation(
        "OPS-ART-007",
        "the first artifact says image/png, or application/json when it is an image",
        "its bytes are not of the media_type that the envelope gives",
        on_success(_other_media_type),
    ),
    Violation(
        "OPS-EVD-001",
        "the first evidence item comes a second time at the end",
        "two items have one id",
        execution=_id_twice,
    ),
    Violation(
        "OPS-EVD-002",
        "the first evidence item also supports /nowhere/at/all",
        "the pointer does not resolve in outputs",
        execution=_supports_nothing,
    ),
    Violation(
        "OPS-EVD-003",
        "evidence does not say that it is synthetic",
        "no item has synthetic, though the titles say that the figures are made up",
        on_success(_not_synthetic),
    ),
    Violation(
        "OPS-FIG-001",
        "key figures have neither units nor labels; a stub without key figures gets one",
        "outputs have kpis, and no units and no labels",
        on_success(_figures_without_words),
    ),
)
"""OPS-ART, OPS-EVD and OPS-FIG."""
