from collections.abc import Callable
from io import StringIO

from rich.console import Console, RenderableType

from ops_contract.compliance.reports.terminal import terminal_replay, terminal_report
from ops_contract.compliance.result import Exchange, Finding, Report, Verdict


def shown(report: Report, *, strict: bool = False, colours: bool = False) -> str:
    return rendered(terminal_report(report, strict=strict), colours=colours)


def rendered(view: RenderableType, *, colours: bool = False) -> str:
    file = StringIO()
    console = Console(file=file, width=100, force_terminal=colours, color_system="standard" if colours else None)
    console.print(view, crop=False)
    return file.getvalue()


def test_clean_report_says_so_first_and_lists_every_id(clean_report: Report) -> None:
    text = shown(clean_report)
    assert text.startswith("policy-simulator: compliant\n")
    assert all(f"✓ {finding.requirement.id}" in text for finding in clean_report.findings)
    assert "Warnings" not in text


def test_failure_shows_proof_remedy_and_clause(
    report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    sent = exchange(status=500, body=b'{"oops": 1}', error="then it stopped")
    text = shown(report_of([finding("OPS-EXE-001", Verdict.FAIL, "an envelope", "500", [sent])]))
    wanted = ("✗ OPS-EXE-001 MUST core · failed", "expected", "an envelope", "actual", "> POST http://127.0.0.1:8080/execute")
    proof = ("< 500 in 0.250 s", '< {"oops": 1}', "! then it stopped", "curl -sS", "remedy", "contract/SPEC.md#ops-exe-001")
    for expected in (*wanted, *proof):
        assert expected in text


def test_warnings_are_shown_without_exchanges(
    report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    text = shown(report_of([finding("OPS-HLT-004", Verdict.WARN, "1 s", "3 s", [exchange()])]))
    assert "! OPS-HLT-004 it answers within 1 s · warning" in text
    assert "3 s" in text
    assert "curl" not in text


def test_strict_shows_warnings_as_failures(report_of: Callable[..., Report], finding: Callable[..., Finding]) -> None:
    text = shown(report_of(replacing=[finding("OPS-HLT-004", Verdict.WARN)]), strict=True)
    assert "not compliant" in text
    assert "Warnings" not in text


def test_nothing_that_a_module_says_is_obeyed(report: Report) -> None:
    text = shown(report)
    assert text.replace("\n", "").isprintable()
    assert "[bold]x[/boom]<U+001B>]0;owned<U+0007>" in text


def test_colours_are_the_only_control_codes(report: Report) -> None:
    codes = shown(report, colours=True).split("\x1b[")[1:]
    assert codes
    assert all(code.partition("m")[0].replace(";", "").isdigit() for code in codes)


def test_secrets_are_not_shown(report: Report, secret: str) -> None:
    assert secret not in shown(report)


def test_bodies_and_lists_of_exchanges_are_cut(report: Report) -> None:
    text = shown(report)
    assert "[cut: 300000 bytes in all" in text
    assert "... and 1 more exchanges" in text
    assert "[binary: 256 bytes in all" in text
    assert len(text) < 40_000


def test_commands_are_not_wrapped(
    report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    body = b'"' + b"word " * 100 + b'"'
    text = shown(report_of([finding("OPS-EXE-001", Verdict.FAIL, exchanges=[exchange(request_body=body)])]))
    assert f"--data-binary '{body.decode()}'" in text


def test_unreachable_module_is_said_first(report_of: Callable[..., Report]) -> None:
    text = shown(report_of(unreachable="connection refused"))
    assert text.startswith("policy-simulator: not reachable\n")
    assert "connection refused" in text


def test_unreachable_module_is_told_once_and_what_is_known_of_it_nevertheless(
    report_of: Callable[..., Report], finding: Callable[..., Finding]
) -> None:
    untested = [finding(name, Verdict.NOT_TESTABLE, "", "refused") for name in ("OPS-HLT-001", "OPS-HLT-004", "OPS-EXE-001")]
    text = shown(report_of([*untested, finding("OPS-CTR-001", Verdict.FAIL, "ready", "ended")], unreachable="refused"))
    assert text.count("refused") == 1
    assert "✗ OPS-CTR-001 MUST container · failed" in text


def test_replay_shows_the_exchange_also_of_what_is_met(
    report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    text = rendered(terminal_replay(report_of([finding("OPS-HLT-001", Verdict.PASS, exchanges=[exchange()])])))
    assert "✓ OPS-HLT-001 MUST core · passed" in text
    assert "> POST http://127.0.0.1:8080/execute" in text
    assert "remedy" not in text
