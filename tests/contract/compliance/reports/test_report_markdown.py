import re
from collections.abc import Callable

import pytest
from markdown_it import MarkdownIt

from ops_contract.compliance.reports.markdown import MOST_BYTES, code_span, fence, markdown_report
from ops_contract.compliance.result import Exchange, Finding, Report, Verdict


def rendered(text: str) -> str:
    return str(MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(text))


def test_clean_report_has_headline_counts_and_a_folded_list(clean_report: Report) -> None:
    text = markdown_report(clean_report)
    assert text.startswith("## ✅ `policy-simulator`: compliant\n")
    assert f"<details><summary>All {len(clean_report.findings)} requirements</summary>" in text
    assert "### " not in text


def test_failure_has_command_and_remedy(
    report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    text = markdown_report(report_of([finding("OPS-EXE-001", Verdict.FAIL, "an envelope", "a page", [exchange()])]))
    for expected in (
        "### ✗ OPS-EXE-001 · MUST · failed",
        "```sh\ncurl -sS",
        "an envelope",
        "a page",
        "**Remedy**",
        "SPEC.md#ops-exe-001",
    ):
        assert expected in text


def test_warnings_have_their_own_heading(report: Report) -> None:
    text = markdown_report(report)
    assert text.index("### Warnings") > text.index("OPS-ERR-003 · MUST · kit error")
    assert text.index("**! OPS-EXE-007**") > text.index("### Warnings")


def test_markup_of_a_module_is_shown_as_it_is(report: Report) -> None:
    page = rendered(markdown_report(report))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_tables_hold_their_columns(report: Report) -> None:
    page = rendered(markdown_report(report))
    rows = re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
    lengths = {row.count("<td") for row in rows if "<td" in row and "OPS-" in row}
    assert lengths == {5}


def test_secrets_and_control_characters_are_not_shown(report: Report, secret: str) -> None:
    text = markdown_report(report)
    assert secret not in text
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("text", ["plain", "`", "``` ` ````", "a\n~~~\n```\nb", ""])
def test_fence_is_longer_than_what_it_holds(text: str) -> None:
    assert rendered(fence(text)).count("<pre>") == 1
    assert rendered(fence(text)).endswith("</pre>\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a", "a"), ("`a`", "`a`"), ("a``b", "a``b"), ("<b>", "&lt;b&gt;"), ("", " "), ("a\nb", "a&lt;U+000A&gt;b")],
)
def test_code_span_shows_what_it_holds(text: str, shown: str) -> None:
    assert rendered(code_span(text)).strip() in (f"<p><code>{shown}</code></p>", f"<p><code> {shown}</code></p>")


def test_exchange_of_several_failures_is_shown_once(
    report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    found = [finding(item, Verdict.FAIL, exchanges=[exchange()]) for item in ("OPS-ERR-001", "OPS-ERR-006")]
    text = markdown_report(report_of(found))
    assert (text.count("curl "), text.count("The same exchange as at OPS-ERR-001.")) == (1, 1)


def test_summary_fits_where_it_goes(
    report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    headers = {f"x-{number}": "é" * 200 for number in range(200)}
    findings = [
        finding(item, Verdict.FAIL, "e" * 9000, "a" * 9000, [exchange(headers=headers, body=b"x" * 5000, seconds=number)])
        for item in ("OPS-EXE-001", "OPS-EXE-002")
        for number in range(40)
    ]
    text = markdown_report(report_of(findings))
    assert len(text.encode()) <= MOST_BYTES + 10_000
    assert "did not fit in here" in text


def test_unreachable_module_is_told_in_code(report_of: Callable[..., Report]) -> None:
    text = markdown_report(report_of(unreachable="<b>refused</b>"))
    assert "not reachable" in text
    assert "<b>" not in rendered(text)
