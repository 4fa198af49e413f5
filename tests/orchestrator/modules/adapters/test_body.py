from typing import Any

import pytest
from legacy_exchange import legacy_exchange

from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.adapters.body import decoded, error_text


def exchange(body: Any, content_type: str = "application/json", status: int = 400) -> Exchange:
    return legacy_exchange(body, status, content_type)


@pytest.mark.parametrize("content_type", ["application/json", "text/html", "text/plain; charset=latin-1", "image/png", ""])
def test_json_is_read_whatever_the_content_type_says(content_type: str) -> None:
    assert decoded(exchange({"país": [1, None]}, content_type)) == {"país": [1, None]}


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b"plain", "text/plain", "plain"),
        ("país".encode("latin-1"), "text/plain; charset=ISO-8859-1", "país"),
        ("país".encode("latin-1"), 'text/html; charset="latin-1"', "país"),
        ("país".encode(), "text/plain", "país"),
        ("país".encode("latin-1"), "text/plain", "pa\ufffds"),
        (b"plain", "text/plain; charset=klingon", "plain"),
        (b"plain", "text/plain; charset=base64", "plain"),
        (b"<a/>", "application/xml", "<a/>"),
        (b"<a/>", "application/problem+xml", "<a/>"),
        (b'{"a": 1', "application/json", '{"a": 1'),
        (b'{"a": 1, "a": 2}', "application/json", '{"a": 1, "a": 2}'),
        (b"plain", "", "plain"),
        (b"", "application/json", ""),
        (b"%PDF-1.7", "application/pdf", None),
        (b"\x00\x01", "", None),
    ],
)
def test_body_that_is_no_json_is_text_or_nothing(body: bytes, content_type: str, text: str | None) -> None:
    assert decoded(exchange(body, content_type)) == text


@pytest.mark.parametrize("charset", ["undefined", "idna", "punycode"])
def test_charset_that_cannot_be_used_is_read_as_utf_8(charset: str) -> None:
    assert decoded(exchange("é".encode(), f"text/plain; charset={charset}")) == "é"


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("no such country", "no such country"),
        (["no country", "no sector"], "no country; no sector"),
        ([None, [["deep"]]], "deep"),
        ({"detail": "Not Found"}, "Not Found"),
        (
            {"detail": [{"loc": ["body", "iso"], "msg": "Field required"}, {"loc": ["query", 0], "msg": "Input too long"}]},
            "body/iso: Field required; query/0: Input too long",
        ),
        ({"error": {"code": 7, "message": "no such country"}}, "no such country"),
        ({"error": {"reason": {"text": "no such country"}}}, "text: no such country"),
        ({"errors": [{"message": "no country"}, {"message": "no sector"}]}, "no country; no sector"),
        ({"title": "Bad Request", "detail": "no such country", "status": 400}, "no such country"),
        ({"message": "", "detail": "no such country"}, "no such country"),
        ({"error": False, "message": "no such country"}, "no such country"),
        ({"country": "XX", "sector": "all"}, "country: XX, sector: all"),
        (7, "7"),
        ("two\n\tlines ", "two lines"),
        ("x < y", "x < y"),
    ],
    ids=str,
)
def test_error_is_told_in_one_line_however_the_module_says_it(body: Any, line: str) -> None:
    assert error_text(exchange(body)) == line


@pytest.mark.parametrize(
    ("page", "line"),
    [
        ("<html><head><title>502 Bad&nbsp;Gateway</title></head><body>nginx</body></html>", "502 Bad Gateway"),
        ("<TITLE lang='en'>No\n such page</TITLE><h1>Oops</h1>", "No such page"),
        ("<h1 class=big>Oops, <b>no</b> such page</h1><p>more</p>", "Oops, no such page"),
        ("<style>p { }</style><script>f()</script><!-- x --><p>Caf&eacute; &amp; bar</p><p>closed</p>", "Café & bar closed"),
        ("<p>never closed", "never closed"),
    ],
)
def test_page_is_told_by_its_title_or_its_text(page: str, line: str) -> None:
    assert error_text(exchange(page.encode(), "text/html; charset=utf-8", 502)) == line


@pytest.mark.parametrize(
    "page", ["<title></title><h1>No such page</h1>", "<title> </title><p>No such page</p>", "<h1><img></h1><p>No such page</p>"]
)
def test_page_with_an_empty_title_is_told_by_what_follows(page: str) -> None:
    assert error_text(exchange(page.encode(), "text/html")) == "No such page"


@pytest.mark.parametrize("part", ["<", "<title>", "<script>", "<!--", "<h1 "])
def test_page_that_opens_everything_and_closes_nothing_is_told(part: str) -> None:
    assert error_text(exchange((part * 1_000_000).encode(), "text/html"))


@pytest.mark.parametrize(
    ("body", "content_type", "line"),
    [
        (b"Internal Server Error\n", "text/plain", "Internal Server Error"),
        ("País inválido".encode("latin-1"), "text/plain; charset=iso-8859-1", "País inválido"),
        (b"Internal Server Error", "", "Internal Server Error"),
        (b'{"a": 1', "application/json", '{"a": 1'),
    ],
)
def test_plain_text_is_told_as_it_is(body: bytes, content_type: str, line: str) -> None:
    assert error_text(exchange(body, content_type)) == line


@pytest.mark.parametrize("body", [b"", b" \n", b"null", b"true", b"{}", b"[]", b'""', b"<html></html>"])
def test_body_that_says_nothing_is_told_by_its_status(body: bytes) -> None:
    assert error_text(exchange(body, "text/html", 503)) == "no more than Service Unavailable"


def test_bytes_are_told_by_their_status() -> None:
    assert error_text(exchange(b"\x00\x01\x02", "application/octet-stream", 404)) == "no more than Not Found"


def test_body_that_says_nothing_under_a_status_of_its_own_is_told() -> None:
    assert error_text(exchange(b"", "", 799)) == "nothing more"


@pytest.mark.parametrize(
    "body",
    [{"error": True, "info": "no such country"}, {"message": {"text": None}, "reason": "no such country"}],
    ids=str,
)
def test_telling_name_with_nothing_in_it_gives_way_to_the_rest(body: Any) -> None:
    assert "no such country" in error_text(exchange(body))


@pytest.mark.parametrize("body", [{"error": None}, {"detail": []}, {"error": {"message": None}}], ids=str)
def test_object_with_nothing_in_it_is_told_by_its_status(body: Any) -> None:
    assert error_text(exchange(body)) == "no more than Bad Request"


def test_empty_place_is_left_out() -> None:
    assert error_text(exchange({"detail": [{"loc": [], "msg": "Field required"}]})) == "Field required"


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x07", "\u202e"])
def test_control_characters_are_kept_from_terminals_and_logs(character: str) -> None:
    assert character not in error_text(exchange(f"no{character} such country"))


@pytest.mark.parametrize("body", [b"x" * 1_000_000, b"word " * 100_000])
def test_long_body_is_told_in_part(body: bytes) -> None:
    line = error_text(exchange(body, "text/plain"))
    assert len(line) < 400
    assert line.endswith("...")


def test_object_nested_as_deeply_as_json_may_be_is_told() -> None:
    assert error_text(exchange(b'{"error":' * 199 + b'"deep"' + b"}" * 199)) == "deep"
