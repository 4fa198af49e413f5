import re
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from ops_contract.compliance.reports.terminal import terminal_replay, terminal_report
from ops_contract.compliance.result import Exchange, Finding, Report, Verdict

README = Path(__file__).parents[4] / "contract" / "README.md"


def shown(report: Report, *, strict: bool = False, colours: bool = False, at_length: bool = True, width: int = 100) -> str:
    return rendered(terminal_report(report, strict=strict, at_length=at_length), colours=colours, width=width)


def brief(report: Report, *, width: int = 100) -> list[str]:
    """The lines without any option."""
    return shown(report, at_length=False, width=width).splitlines()


def rendered(view: RenderableType, *, colours: bool = False, width: int = 100) -> str:
    file = StringIO()
    console = Console(file=file, width=width, force_terminal=colours, color_system="standard" if colours else None)
    console.print(view, crop=False)
    return file.getvalue()


def test_clean_report_is_what_was_checked_and_the_verdict(clean_report: Report) -> None:
    assert brief(clean_report) == ["policy-simulator 0.1.0 at http://127.0.0.1:8080", "", "compliant: all 54 passed"]


def test_title_names_what_was_given_and_the_adapter_without_all_ids(clean_report: Report) -> None:
    started = replace(clean_report.subject, target="stub data-layer")
    lines = brief(replace(clean_report, subject=started, covered=("OPS-ERR-001", "OPS-ERR-002")))
    assert lines[0] == "policy-simulator 0.1.0 (stub data-layer)"
    assert lines[1] == "adapter  provides 2 of the 54 requirements that are met"


def test_report_at_length_lists_every_id(clean_report: Report) -> None:
    text = shown(clean_report)
    assert all(f"✓ {finding.requirement.id}" in text for finding in clean_report.findings)
    assert "Warnings" not in text


@pytest.mark.parametrize("width", [80, 120])
def test_each_failure_is_one_line_and_the_verdict_with_the_next_command_is_the_last(
    width: int, report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    broken = [
        finding("OPS-HLT-005", Verdict.WARN, "lists", "none"),
        finding("OPS-EXE-001", Verdict.FAIL, "an envelope", "200 with\nanother " + "envelope " * 50, [exchange()]),
        finding("OPS-ERR-006", Verdict.FAIL, "a 4xx", "500 INTERNAL", [exchange()]),
        finding("OPS-CTR-001", Verdict.NOT_APPLICABLE),
    ]
    lines = brief(report_of(replacing=broken), width=width)
    assert max(map(len, lines)) <= width
    assert [line.partition("  ")[0] for line in lines[2:5]] == ["✗ OPS-EXE-001", "✗ OPS-ERR-006", "! OPS-HLT-005"]
    assert lines[3] == "✗ OPS-ERR-006  client input never causes a 5xx, but 500 INTERNAL"
    assert ", but 200 with another envelope" in lines[2]
    assert "-v shows the exchange, reason and remedy of each" in lines[-2]
    assert lines[-1] == "not compliant: 2 failed, 1 warning of 53 · ops-contract explain OPS-EXE-001"


@pytest.mark.parametrize("width", [80, 120])
def test_refusal_of_every_request_is_told_to_its_end(
    width: int, report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    said = "422 INVALID_INPUT: /inputs/region must be DR or HT; if it needs other inputs, give them with --inputs"
    broken = [
        finding("OPS-HLT-005", Verdict.WARN, "lists", "none"),
        finding("OPS-EXE-001", Verdict.FAIL, "an envelope", said, [exchange()]),
        finding("OPS-EXE-002", Verdict.NOT_TESTABLE, "", "no good answer"),
    ]
    lines = brief(report_of(replacing=broken), width=width)
    assert max(map(len, lines)) <= width
    assert said in " ".join(line.strip() for line in lines)


def test_requirements_that_one_cause_left_untested_are_one_line(
    report_of: Callable[..., Report], finding: Callable[..., Finding]
) -> None:
    lost = "the module answers no valid request any more; see OPS-ERR-009"
    left = [finding(f"OPS-ERR-00{number}", Verdict.NOT_TESTABLE, "", lost) for number in range(1, 9)]
    other = finding("OPS-DET-003", Verdict.NOT_TESTABLE, "", "its answers vary; see OPS-DET-001")
    broken = [finding("OPS-ERR-009", Verdict.FAIL, "", "the connection was closed"), *left, other]
    lines = brief(report_of(replacing=broken), width=120)
    assert [line.partition("  ")[0] for line in lines[2:5]] == ["✗ OPS-ERR-009", "? OPS-DET-003", "? 8 not testable"]
    assert lost in lines[4]


def test_readme_shows_what_the_command_shows(report_of: Callable[..., Report], finding: Callable[..., Finding]) -> None:
    found = [finding("OPS-ERR-006", Verdict.FAIL, "", "500 INTERNAL"), finding("OPS-HLT-004", Verdict.WARN, "", "1.52 s")]
    report = report_of(replacing=found)
    url = "http://localhost:8080"
    lines = brief(replace(report, subject=replace(report.subject, target=url, url=url)), width=80)
    quoted = "".join(f"    {line}".rstrip() + "\n" for line in lines)
    assert re.sub(r" of \d+ ", " of N ", quoted) in re.sub(r" of \d+ ", " of N ", README.read_text())


def test_only_warnings_lead_to_the_first_of_them(report_of: Callable[..., Report], finding: Callable[..., Finding]) -> None:
    found = [finding(name, Verdict.WARN) for name in ("OPS-HLT-004", "OPS-HLT-005")]
    assert brief(report_of(replacing=found))[-1] == "compliant: 2 warnings of 54 · ops-contract explain OPS-HLT-004"


def test_exchange_of_several_failures_is_shown_once(
    report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    sent, other = exchange(status=500, body=b"oops"), exchange(status=500, body=b"another")
    ids = ("OPS-ERR-001", "OPS-ERR-002", "OPS-ERR-006")
    text = shown(report_of([finding(name, Verdict.FAIL, exchanges=[sent, other]) for name in ids]))
    assert (text.count("curl "), text.count("oops"), text.count("another")) == (2, 1, 1)
    assert text.count("the same exchange as at OPS-ERR-001") == 4


def test_failure_shows_proof_remedy_and_clause(
    report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    sent = exchange(status=500, body=b'{"oops": 1}', error="then it stopped")
    text = shown(report_of([finding("OPS-EXE-001", Verdict.FAIL, "an envelope", "500", [sent])]))
    wanted = ("✗ OPS-EXE-001 MUST core · failed", "expected", "an envelope", "actual", "why", "remedy")
    proof = ("curl -sS -i http://127.0.0.1:8080/execute", "< 500 in 0.250 s", '< {"oops": 1}', "! then it stopped")
    for expected in (*wanted, *proof):
        assert expected in text


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


def test_unreachable_module_is_told_so_last(report_of: Callable[..., Report]) -> None:
    lines = brief(report_of(unreachable="connection refused"))
    assert lines[-2:] == ["The module could not be tested: connection refused", "not reachable"]


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
    assert "curl -sS -i http://127.0.0.1:8080/execute" in text
    assert "remedy" not in text
    assert text.endswith("\ncompliant: 1 passed\n")
