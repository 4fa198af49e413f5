from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest

from ops_contract import masked_url
from ops_contract.compliance.redaction import (
    harmless,
    harmless_lines,
    redacted,
    secrets_of_settings,
    shortened,
    shown_body,
    text_of,
)
from ops_contract.compliance.result import Exchange, Finding, Report, Verdict


def test_url_is_masked_in_password_and_parameters() -> None:
    assert masked_url("http://me:pw@h:1/p?a=1&token=x&b=%20") == "http://me:***@h:1/p?a=1&token=***&b=%20"


@pytest.mark.parametrize("url", ["http://h/a/../%2e?x=1#f", "registry:5000/x@sha256:ab", "http://[", "http://h/?"])
def test_url_without_secrets_is_left_as_it_is(url: str) -> None:
    assert masked_url(url) == url


def test_control_characters_become_visible() -> None:
    assert harmless("a\x1b[2J\n\u202eb\ud800é") == "a<U+001B>[2J<U+000A><U+202E>b<U+D800>é"


def test_lines_and_tabs_stay_where_lines_are_wanted() -> None:
    assert harmless_lines("a\r\n\tb\x07\n") == "a\n\tb<U+0007>\n"


def test_shortened_text_says_how_long_it_was() -> None:
    assert shortened("x" * 10, 4) == "xxxx... [10 characters in all]"
    assert shortened("xxxx", 4) == "xxxx"


@pytest.mark.parametrize("content", [b"\xff", b"a\0b", "ä".encode("utf-16")])
def test_binary_body_is_described(content: bytes) -> None:
    body = shown_body(content)
    assert text_of(content) is None
    assert body.text.startswith(
        f"[binary: {len(content)} bytes in all, sha256 {sha256(content).hexdigest()}, begins {content[0]:02x}"
    )
    assert (body.size_bytes, body.whole) == (len(content), False)


def test_long_body_is_cut_between_characters() -> None:
    content = ("é" * 5000).encode()
    body = shown_body(content, 2001)
    assert len(body.text.encode()) <= 2001
    assert body.text.endswith(f"\n[cut: 10000 bytes in all, sha256 {sha256(content).hexdigest()}]")
    assert (body.size_bytes, body.whole) == (10000, False)


@pytest.mark.parametrize("content", [b"x" * 100_000, bytes(range(256)) * 1000])
def test_shown_body_read_back_is_shown_as_it_was(content: bytes) -> None:
    once = shown_body(content)
    assert shown_body(once.text.encode()) == once


def test_short_text_is_whole() -> None:
    assert shown_body("{é}".encode()).text == "{é}"
    assert shown_body(b"").whole


def test_no_secret_is_left_in_a_redacted_report(report: Report, secret: str) -> None:
    assert secret in repr(report)
    assert secret not in repr(redacted(report))


def test_redacting_twice_changes_nothing(report: Report) -> None:
    assert redacted(redacted(report)) == redacted(report)


def test_secret_that_a_module_sends_back_is_masked(
    report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    echo = exchange(
        request_headers={"Authorization": "Bearer abc-123-def"}, body=b"you sent abc-123-def", headers={"x": "abc-123-def"}
    )
    shown = redacted(report_of([finding("OPS-ERR-007", Verdict.FAIL, "", "abc-123-def", [echo])])).findings[0]
    assert shown.actual == "***"
    assert shown.exchanges[0].body == b"you sent ***"
    assert shown.exchanges[0].headers == {"x": "***"}


def test_length_of_a_redacted_body_is_told_anew(
    report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    headers = {"Authorization": "abc-123-def", "Content-Length": "13"}
    sent = exchange(request_headers=headers, request_body=b'"abc-123-def"')
    shown = redacted(report_of([finding("OPS-HLT-001", Verdict.PASS, exchanges=[sent])])).findings[0].exchanges[0]
    assert shown.request_headers == {"Authorization": "***", "Content-Length": "5"}


def test_host_is_shown_without_its_password(
    report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    sent = exchange(url="http://me:pw@h/x", request_headers={"Host": "me:pw@h"})
    shown = redacted(report_of([finding("OPS-HLT-001", Verdict.PASS, exchanges=[sent])]))
    assert "pw" not in repr(shown.findings[0].exchanges)


def test_secrets_that_the_module_was_given_are_masked_wherever_they_came_back(
    report_of: Callable[..., Report], finding: Callable[..., Finding], exchange: Callable[..., Exchange]
) -> None:
    told = finding("OPS-EXE-001", Verdict.FAIL, actual="no hunter22", exchanges=(exchange(body=b"hunter22 is wrong"),))
    shown = redacted(replace(report_of([told]), secrets=("hunter22",)))
    assert (shown.findings[0].actual, shown.findings[0].exchanges[0].body) == ("no ***", b"*** is wrong")
    assert shown.secrets == ()


def test_secrets_among_settings_are_known_by_name_or_as_the_password_of_an_address() -> None:
    settings = {
        "API_KEY": "a-key-of-mine",
        "COUNTRY": "Dominican",
        "DATABASE": "postgres://me:hunter22@db/x",
        "PIN_TOKEN": "123",
    }
    assert secrets_of_settings(settings) == ("a-key-of-mine", "hunter22")
