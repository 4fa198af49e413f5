"""Reports to be rendered: one where nothing is wrong, and one with every verdict, of a module that says hostile things."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from ops_contract.compliance.requirement import load_requirements
from ops_contract.compliance.result import Exchange, Finding, Report, Subject, Verdict

HOSTILE = '[bold]x[/boom]\x1b]0;owned\x07\x1b[2J\r\n<script>alert("1")</script> ``` | ]]> \x00 \u202e \ud800 @all'
SECRET = "s3cr3t-token"  # noqa: S105  # made up


@pytest.fixture
def hostile() -> str:
    """What a module would say to take over a terminal, a page or a document."""
    return HOSTILE


@pytest.fixture
def secret() -> str:
    """What the kit was given to send, and no reader may see."""
    return SECRET


@pytest.fixture
def finding() -> Callable[..., Finding]:
    """Makes a finding of an id and a verdict."""
    return _finding


@pytest.fixture
def report_of() -> Callable[..., Report]:
    """Makes a report of findings, or of every requirement with some of them replaced."""
    return _report


@pytest.fixture
def clean_report() -> Report:
    """Every requirement of the contract is met."""
    return _report(_complete())


@pytest.fixture(params=Verdict)
def report_of_one_verdict(request: pytest.FixtureRequest) -> Report:
    """A MUST with an exchange that was cut off and a SHOULD without any that came out with each verdict in turn."""
    verdict, cut_off = Verdict(request.param), _exchange(status=None, error="cut off")
    return _report(
        (_finding("OPS-EXE-001", verdict, "this", "that", (cut_off,)), _finding("OPS-EXE-007", verdict, "this", "that"))
    )


@pytest.fixture
def exchange() -> Callable[..., Exchange]:
    """Makes an exchange, a POST unless told otherwise."""
    return _exchange


@pytest.fixture
def report() -> Report:
    """Every verdict, and every kind of text and body that a module can send."""
    url = f"http://ops:{SECRET}@127.0.0.1:8080"
    broken = _exchange(
        url=f"{url}/execute?token={SECRET}&plain=1",
        request_headers={"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"},
        request_body=b'{"run_id": "it\'s"}',
        headers={"content-type": "text/html", "set-cookie": "id=1", "x-odd": HOSTILE},
        body=f"{HOSTILE.encode(errors='replace').decode()} {SECRET}".replace("\0", "").encode(),
    )
    binary = _exchange(request_body=b"\xff\x00{", body=bytes(range(256)))
    huge = _exchange(request_body=b"[" * 200_000, body=b"<b>" * 100_000)
    silent = _exchange(method="GET", url=f"{url}/a/../b", request_body=b"", status=None, headers={}, body=b"", error=HOSTILE)
    subject = Subject(
        target="registry.example/policy@sha256:" + "ab" * 32,
        url=url,
        module=HOSTILE,
        version=HOSTILE,
        contract_versions=("1.0", HOSTILE),
        profiles=("artifacts", HOSTILE),
        actions=("execute",),
        image_digest="sha256:" + "ab" * 32,
    )
    return _report(
        (
            _finding("OPS-HLT-001", Verdict.PASS, exchanges=(silent,)),
            _finding(
                "OPS-EXE-001", Verdict.FAIL, f"an envelope ```{HOSTILE}", f"{HOSTILE} {SECRET}", (broken, binary, huge, silent)
            ),
            _finding("OPS-EXE-007", Verdict.WARN, "version", HOSTILE, (broken,)),
            _finding("OPS-EXE-003", Verdict.NOT_TESTABLE, "", "no answer to look at"),
            _finding("OPS-HLT-004", Verdict.NOT_TESTABLE, "", "no answer to time"),
            _finding("OPS-ART-002", Verdict.EXPECTED_FAIL, "bytes", "404", (binary,)),
            _finding("OPS-ART-003", Verdict.UNEXPECTED_PASS, "not met", "met"),
            _finding("OPS-DET-001", Verdict.NOT_APPLICABLE),
            _finding("OPS-ERR-003", Verdict.KIT_ERROR, "", "KeyError: 'x'"),
        ),
        subject=subject,
    )


def _complete() -> tuple[Finding, ...]:
    return tuple(Finding(requirement, Verdict.PASS) for requirement in load_requirements().values())


def _finding(
    identifier: str, verdict: Verdict, expected: str = "", actual: str = "", exchanges: Iterable[Exchange] = ()
) -> Finding:
    return Finding(load_requirements()[identifier], verdict, expected, actual, tuple(exchanges))


def _report(findings: Iterable[Finding] = (), *, replacing: Iterable[Finding] = (), **fields: Any) -> Report:
    replaced = {finding.requirement.id: finding for finding in replacing}
    found = (replaced.get(item.requirement.id, item) for item in _complete()) if replaced else findings
    subject = Subject(
        target="http://127.0.0.1:8080",
        url="http://127.0.0.1:8080",
        module="policy-simulator",
        version="0.1.0",
        contract_versions=("1.0",),
        profiles=("artifacts", "deterministic", "idempotent"),
        actions=("execute",),
    )
    told: dict[str, Any] = {
        "subject": subject,
        "kit_version": "0.1.0",
        "contract_version": "1.0",
        "started_at": "2026-01-09T12:34:56Z",
        "duration_s": 1.5,
    }
    return Report(findings=tuple(found), **{**told, **fields})


def _exchange(**fields: Any) -> Exchange:
    told: dict[str, Any] = {
        "method": "POST",
        "url": "http://127.0.0.1:8080/execute",
        "request_headers": {"Content-Type": "application/json"},
        "request_body": b"{}",
        "status": 200,
        "headers": {"content-type": "application/json"},
        "body": b"{}",
        "seconds": 0.25,
    }
    return Exchange(**{**told, **fields})
