"""What a schema cannot say: one test for each rule, with the requirement that is broken."""

from typing import Any

import pytest

from ops_contract import Artifact, SuccessEnvelope, Violation, content_violation, resolve_pointer, sha256_hex, violations

DOCUMENT = {"kpis": {"gdp": 0.02}, "series": [10, [20, 21]], "a/b": 1, "m~n": 2, "~1": 3, "": {"": 4}, "0": 5, "null": None}


def _envelope(
    *names: str, outputs: dict[str, Any] | None = None, evidence: list[dict[str, Any]] | None = None
) -> SuccessEnvelope:
    return SuccessEnvelope.model_validate(
        {
            "status": "success",
            "module": "policy-simulator",
            "outputs": outputs or {},
            "artifacts": [Artifact.of(name, "text/plain", b"") for name in names],
            "evidence": [{"kind": "dataset", "title": "t", "id": f"e{at}", **item} for at, item in enumerate(evidence or [])],
        }
    )


def _found(envelope: SuccessEnvelope) -> list[tuple[str, str]]:
    return [(found.requirement, found.pointer) for found in violations(envelope, module="policy-simulator")]


def test_envelope_that_follows_the_contract_has_no_violations() -> None:
    evidence = [{"supports": ["", "/kpis/gdp", "/series/1/0"], "artifact": "a/b.txt"}, {}]
    envelope = _envelope("a/b.txt", "a/c.txt", "b.txt", outputs=DOCUMENT, evidence=evidence)
    assert violations(envelope, module="policy-simulator") == ()


def test_envelope_of_another_module_is_found() -> None:
    (found,) = violations(_envelope(), module="strategy-agent")
    assert found == Violation("OPS-EXE-002", "/module", "is 'policy-simulator', but /health says 'strategy-agent'")


def test_module_name_in_another_case_is_another_module() -> None:
    assert [found.requirement for found in violations(_envelope(), module="Policy-Simulator")] == ["OPS-EXE-002"]


def test_every_clashing_name_is_found_at_its_place() -> None:
    assert _found(_envelope("a", "A", "a/b")) == [("OPS-ART-005", "/artifacts/1/name"), ("OPS-ART-005", "/artifacts/2/name")]


def test_evidence_id_used_twice_is_found() -> None:
    envelope = _envelope(evidence=[{"id": "e1"}, {"id": "e2"}, {"id": "e1"}])
    (found,) = violations(envelope, module="policy-simulator")
    assert found == Violation("OPS-EVD-001", "/evidence/2/id", "'e1' is used twice")


def test_evidence_ids_are_told_apart_by_case() -> None:
    assert _found(_envelope(evidence=[{"id": "e1"}, {"id": "E1"}])) == []


def test_evidence_naming_an_artifact_that_is_not_there_is_found() -> None:
    envelope = _envelope("a.txt", evidence=[{"artifact": "a.txt"}, {"artifact": "b.txt"}])
    (found,) = violations(envelope, module="policy-simulator")
    assert found == Violation("OPS-EVD-002", "/evidence/1/artifact", "no artifact is named 'b.txt'")


def test_evidence_naming_an_artifact_in_another_case_is_found() -> None:
    assert _found(_envelope("a.txt", evidence=[{"artifact": "A.txt"}])) == [("OPS-EVD-002", "/evidence/0/artifact")]


def test_supports_that_lead_nowhere_are_found_at_their_place() -> None:
    envelope = _envelope(outputs={"kpis": {}}, evidence=[{"supports": ["/kpis", "/kpis/gdp"]}])
    (found,) = violations(envelope, module="policy-simulator")
    assert found == Violation("OPS-EVD-002", "/evidence/0/supports/1", "'/kpis/gdp' leads nowhere in outputs")


def test_violations_of_all_rules_are_found_together() -> None:
    envelope = _envelope("a", "A", evidence=[{"id": "e", "artifact": "b"}, {"id": "e", "supports": ["/x"]}])
    assert [found.requirement for found in violations(envelope, module="other")] == [
        *("OPS-EXE-002", "OPS-ART-005", "OPS-EVD-002", "OPS-EVD-001", "OPS-EVD-002")
    ]


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", DOCUMENT),
        ("/kpis/gdp", 0.02),
        ("/series/0", 10),
        ("/series/1/1", 21),
        ("/a~1b", 1),
        ("/m~0n", 2),
        ("/~01", 3),
        ("//", 4),
        ("/0", 5),
        ("/null", None),
    ],
)
def test_pointer_is_followed(pointer: str, value: Any) -> None:
    """RFC 6901, sections 4 and 5."""
    assert resolve_pointer(DOCUMENT, pointer) == value


@pytest.mark.parametrize(
    "pointer",
    [
        *("/x", "/kpis/x", "/kpis/gdp/x", "/a/b", "/Kpis", "/series/2", "/series/-", "/series/-1", "/series/00", "/series/01"),
        *("/series/1.0", "/series/", "/series/²", "/series/\uff11", "/series/x", "/series/ 0", "/null/x", "kpis", "#/kpis"),
        "/series/" + "9" * 5_000,
    ],
)
def test_pointer_that_leads_nowhere_is_refused(pointer: str) -> None:
    """RFC 6901, section 4: no leading zeros, and `-` is never an existing element."""
    with pytest.raises(LookupError):
        resolve_pointer(DOCUMENT, pointer)


def test_content_that_is_what_it_says_is_accepted() -> None:
    artifact = Artifact.of("a", "text/plain", b"abc")
    assert content_violation(artifact, 3, sha256_hex(b"abc")) is None
    assert content_violation(artifact.ref, 3, sha256_hex(b"abc")) is None


def test_content_of_another_size_is_found() -> None:
    found = content_violation(Artifact.of("a.txt", "text/plain", b"abc"), 2, sha256_hex(b"ab"))
    assert found == Violation("OPS-ART-004", "/artifacts", "'a.txt' has 2 bytes, its envelope says 3")


def test_content_with_another_hash_is_found() -> None:
    found = content_violation(Artifact.of("a.txt", "text/plain", b"abc"), 3, sha256_hex(b"abd"))
    assert found is not None
    assert found.requirement == "OPS-ART-003"
    assert sha256_hex(b"abd") in found.message
    assert sha256_hex(b"abc") in found.message
