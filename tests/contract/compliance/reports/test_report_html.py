import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from ops_contract.compliance.reports.html import html_report
from ops_contract.compliance.requirement import load_requirements
from ops_contract.compliance.result import Exchange, Finding, Report, Verdict

VOID = {"meta", "input", "link", "br", "img"}


class Page(HTMLParser):
    """The elements of a page, whether they nest, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_page_is_well_formed_with_each_id_once(report: Report) -> None:
    page = Page(html_report(report))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert page.open == []
    assert len(ids) == len(set(ids))


def test_page_loads_nothing_and_runs_nothing(report: Report) -> None:
    page = Page(html_report(report))
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "link", "img", "iframe", "object", "form", "base"})
    names = {name for _, attributes in page.elements for name in attributes}
    assert names.isdisjoint({"src", "style", "action", "srcset"})
    assert not any(name.startswith("on") and name != "on" for name in names)


def test_policy_allows_the_one_style_sheet_and_nothing_else(report: Report) -> None:
    text = html_report(report)
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policies = [item["content"] for tag, item in Page(text).elements if item.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]
    assert not re.search(r"url\(|@import", style)


def test_links_lead_to_what_is_on_the_page(report: Report) -> None:
    page = Page(html_report(report))
    ids = {f"#{attributes['id']}" for _, attributes in page.elements if "id" in attributes}
    links = {str(attributes["href"]) for tag, attributes in page.elements if tag == "a"}
    assert links
    assert links <= ids


def test_hostile_text_is_text(report: Report) -> None:
    text = html_report(report)
    assert "<script" not in text
    assert "[bold]x[/boom]<U+001B>]0;owned<U+0007><U+001B>[2J" in Page(text).text
    assert text.replace("\n", "").replace("\t", "").isprintable()


def test_secrets_are_not_on_the_page(report: Report, secret: str) -> None:
    assert secret not in html_report(report)


def test_failure_shows_every_exchange_to_be_opened_and_none_twice(
    report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    first, second = exchange(body=b"one"), exchange(body=b"two")
    found = [finding("OPS-ERR-001", Verdict.FAIL, exchanges=[first, second]), finding("OPS-EXE-007", Verdict.WARN)]
    again = finding("OPS-ERR-006", Verdict.FAIL, exchanges=[second])
    page = Page(html_report(report_of([*found, again])))
    assert [tag for tag, _ in page.elements].count("details") == 2
    assert page.text.count("curl -sS") == 2
    assert page.text.count("the same exchange as at OPS-ERR-001") == 1


def test_every_requirement_leads_to_its_meaning_with_both_examples(
    report_of: Callable[..., Report], finding: Callable[..., Finding]
) -> None:
    text = html_report(report_of(replacing=[finding("OPS-ERR-006", Verdict.FAIL)]))
    page = Page(text)
    links = [str(item["href"]) for tag, item in page.elements if tag == "a"]
    assert all(f"#meaning-{one.lower()}" in links for one in load_requirements())
    meaning = text.partition('<article id="meaning-ops-err-006">')[2].partition("</article>")[0]
    assert all(part in meaning for part in ("A 5xx is retried", "Good", "Bad", "&lt; 500"))
    assert "SPEC.md" not in text


def test_every_verdict_that_occurs_can_be_filtered(report: Report) -> None:
    text = html_report(report)
    buttons = [item["id"] for tag, item in Page(text).elements if tag == "input"]
    assert buttons == ["only-all", *(f"only-{verdict}" for verdict in Verdict)]
    assert all(f"#{name}:checked ~ .wide tbody tr:not(.row-" in text for name in map(str, buttons[1:]))


def test_clean_page_says_compliant_and_lists_all(clean_report: Report) -> None:
    page = Page(html_report(clean_report))
    assert "policy-simulator: compliant" in page.text
    assert all(finding.requirement.id in page.text for finding in clean_report.findings)
    assert "Failures" not in page.text


@pytest.mark.parametrize(("strict", "outcome"), [(False, "compliant"), (True, "not compliant")])
def test_strict_counts_warnings(
    strict: bool, outcome: str, report_of: Callable[..., Report], finding: Callable[..., Finding]
) -> None:
    report = report_of(replacing=[finding("OPS-HLT-004", Verdict.WARN)])
    assert f"<title>policy-simulator: {outcome}</title>" in html_report(report, strict=strict)


def test_unreachable_module_has_a_page(report_of: Callable[..., Report]) -> None:
    assert "could not be tested: refused" in html_report(report_of(unreachable="refused"))
