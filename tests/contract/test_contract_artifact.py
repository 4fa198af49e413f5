"""Artifacts: their names, their addresses, and exactly one way to their bytes."""

import base64
import binascii
import hashlib
from random import Random
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops_contract import Artifact, ArtifactRef, ShapeError, sha256_hex, validate

SETTINGS: Final = settings(deadline=None, derandomize=True, max_examples=60)
PNG: Final = b"\x89PNG\r\n\x1a\n"
DESCRIBED: Final = {"name": "kpis.json", "media_type": "application/json", "size_bytes": 3, "sha256": sha256_hex(b"abc")}


def _reason(**fields: Any) -> str:
    with pytest.raises(ShapeError) as caught:
        validate(Artifact, {**DESCRIBED, "text": "abc", **fields}, "artifact")
    (problem,) = caught.value.problems
    return f"{problem.pointer} {problem.message}"


def _href_reason(href: str) -> str:
    with pytest.raises(ShapeError) as caught:
        validate(Artifact, {**DESCRIBED, "href": href}, "artifact")
    return caught.value.problems[0].message


@pytest.mark.parametrize(
    "name",
    [
        *("plot.png", "plots/gdp.png", "a/b/c/d", "gdp growth.png", "...", "..a", "a..", ".hidden", "a/.../b", "ab:c", "1:x"),
        *("žluť.md", "😀", "~", "-rf", "con", "a\u00a0b", "x" * 255, "é" * 255, "%2e%2e"),
    ],
)
def test_name_is_accepted(name: str) -> None:
    assert validate(ArtifactRef, {**DESCRIBED, "name": name}, "artifact").name == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "at least 1 character"),
        ("x" * 256, "at most 255 characters"),
        (".", "without the segment '.'"),
        ("..", "without the segment '..'"),
        ("../x", "without the segment '..'"),
        ("a/../b", "without the segment '..'"),
        ("a/..", "without the segment '..'"),
        ("./a", "without the segment '.'"),
        ("/etc/passwd", "without the segment ''"),
        ("a//b", "without the segment ''"),
        ("a/", "without the segment ''"),
        ("C:/x", "drive letter"),
        ("c:x", "drive letter"),
        ("a\\b", r"must not contain '\\\\'"),
        ("..\\x", r"must not contain '\\\\'"),
        ("a\x00b", r"must not contain '\\x00'"),
        ("a\nb", r"must not contain '\\n'"),
        ("a\n", r"must not contain '\\n'"),
        ("a\x1b[31m", r"must not contain '\\x1b'"),
        ("a\x7f", r"must not contain '\\x7f'"),
        ("a\x85", r"must not contain '\\x85'"),
    ],
)
def test_hostile_name_is_refused_with_the_reason(name: str, reason: str) -> None:
    """OPS-ART-005."""
    with pytest.raises(ShapeError, match=reason) as caught:
        validate(ArtifactRef, {**DESCRIBED, "name": name}, "artifact")
    assert caught.value.problems[0].pointer == "/name"


def test_refused_name_is_shown() -> None:
    assert _reason(name="a//b").endswith("; this is 'a//b'")


@pytest.mark.parametrize(
    "href",
    [
        "artifacts/plot.png",
        "/artifacts/plot.png",
        "a",
        "...",
        "a;v=1/b,c",
        "x/%20y",
        "%C3%A9",
        "a@b",
        "/a:b",
        "a/b:c",
        "x" * 2048,
    ],
)
def test_href_is_accepted(href: str) -> None:
    assert validate(Artifact, {**DESCRIBED, "href": href}, "artifact").href == href


@pytest.mark.parametrize(
    "href",
    [
        *("http://other/x", "https:x", "http:x", "file:///etc/passwd", "javascript:x", "a:b", "localhost:8080/x"),
        *("//other/x", "/", "a/", "a//b", "///x"),
        *("..", "../x", "/../x", "a/../../x", "a/..", ".", "./a", "a/./b"),
        *("%2e%2e/x", "%2E%2E/x", ".%2e/x", "a%2fb", "a%2Fb", "a%5cb", "a%5Cb", "%252e%252e/x", "a%2500"),
        *("%00", "%0a", "%1F", "%7f", "%", "%4", "%zz", "a%"),
        *("a?q=1", "a#f", "a b", "a\\b", "ä", "a\nb", "a\n", "\x00", "<a>", '"', "[::1]", "{a}", "a|b", "`", "^"),
    ],
)
def test_href_that_could_lead_elsewhere_is_refused(href: str) -> None:
    """OPS-ART-006."""
    assert "href must be a plain path below the module's own base URL" in _href_reason(href)


@pytest.mark.parametrize(("href", "reason"), [("", "at least 1 character"), ("x" * 2049, "at most 2048 characters")])
def test_href_of_a_wrong_length_is_refused(href: str, reason: str) -> None:
    assert reason in _href_reason(href)


@given(st.text(st.sampled_from("ab./:%25eEfF\\?#@ \n"), max_size=12))
@SETTINGS
def test_accepted_href_stays_below_the_base_url(href: str) -> None:
    try:
        validate(Artifact, {**DESCRIBED, "href": href}, "artifact")
    except ShapeError:
        return
    resolved = urlsplit(urljoin("http://module:8080/base/", href.lstrip("/")))
    assert (resolved.scheme, resolved.netloc, resolved.query, resolved.fragment) == ("http", "module:8080", "", "")
    assert resolved.path.startswith("/base/")


@pytest.mark.parametrize(
    "media_type", ["text/csv", "image/svg+xml", "text/plain; charset=utf-8", "text/plain;charset=utf-8", "application/x.y-z"]
)
def test_media_type_is_accepted(media_type: str) -> None:
    assert validate(ArtifactRef, {**DESCRIBED, "media_type": media_type}, "artifact").media_type == media_type


@pytest.mark.parametrize(
    "media_type", ["", "text", "text/", "/csv", "a/b/c", "text/plain;", "text /csv", "text/csv\n", "a/b; é"]
)
def test_media_type_of_another_form_is_refused(media_type: str) -> None:
    assert _reason(media_type=media_type).startswith("/media_type ")


@pytest.mark.parametrize("field", ["name", "media_type", "size_bytes", "sha256"])
def test_artifact_without_a_part_of_its_description_is_refused(field: str) -> None:
    """OPS-ART-001."""
    with pytest.raises(ShapeError, match=f"/{field}: is required"):
        validate(Artifact, {key: value for key, value in {**DESCRIBED, "text": "abc"}.items() if key != field}, "artifact")


@pytest.mark.parametrize(
    ("given_fields", "named"),
    [
        ({}, "not none"),
        ({"data": "YWJj", "text": "abc"}, "not data, text"),
        ({"text": "abc", "href": "x"}, "not href, text"),
        ({"data": "", "text": "", "href": "x"}, "not data, href, text"),
    ],
)
def test_artifact_with_another_number_of_deliveries_is_refused(given_fields: dict[str, str], named: str) -> None:
    """OPS-ART-001."""
    with pytest.raises(ShapeError, match=f"exactly one of data, text, href must be given, {named}"):
        validate(Artifact, {**DESCRIBED, **given_fields}, "artifact")


@pytest.mark.parametrize("field", ["data", "text", "href"])
def test_delivery_that_is_null_is_refused(field: str) -> None:
    with pytest.raises(ShapeError, match=f"/{field}: must be a string, not null"):
        validate(Artifact, {**DESCRIBED, field: None}, "artifact")


@pytest.mark.parametrize("content", [b"", b"a", b"ab", b"abc", bytes(range(256))])
def test_base64_is_decoded(content: bytes) -> None:
    data = base64.b64encode(content).decode()
    assert validate(Artifact, {**DESCRIBED, "data": data}, "artifact").inline_content == content


@pytest.mark.parametrize(
    "data",
    ["=", "==", "====", "YWJ", "YWJj=", "YWJj==", "YWJj\n", " YWJj", "YW\nJj", "_-8=", "YWJj!", "YQ==YQ==", "žluť", "YQ=="[1:]],
)
def test_data_that_is_not_base64_is_refused(data: str) -> None:
    """RFC 4648, section 4: the standard alphabet, padded, without line ends."""
    with pytest.raises(ShapeError, match="data is not base64: "):
        validate(Artifact, {**DESCRIBED, "data": data}, "artifact")


def _decoded(data: str) -> bytes | str | None:
    """The content, or why there is none."""
    try:
        return validate(Artifact, {**DESCRIBED, "data": data}, "artifact").inline_content
    except ShapeError as error:
        return error.problems[0].message


def _decoded_by_the_standard_library(data: str) -> bytes | str:
    if len(data) % 4:
        return "data is not base64: its length is not a multiple of four"
    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except ValueError as error:
        return f"data is not base64: {error}"


def test_base64_is_decoded_or_refused_as_by_the_standard_library() -> None:
    random = Random(0)  # noqa: S311  # the same texts each time
    for _ in range(3_000):
        data = base64.b64encode(random.randbytes(random.randrange(12))).decode()
        for _ in range(random.randrange(3)):
            at = random.randrange(len(data) + 1)
            piece = random.choice(("", "A", "B", "=", "==", "-", "_", "+", "/", "\n", "é"))
            data = data[:at] + piece + data[at + random.randrange(2) :]
        assert _decoded(data) == _decoded_by_the_standard_library(data), data


def test_empty_content_is_inline() -> None:
    assert validate(Artifact, {**DESCRIBED, "text": ""}, "artifact").inline_content == b""
    assert validate(Artifact, {**DESCRIBED, "data": ""}, "artifact").inline_content == b""


def test_text_is_delivered_in_utf8() -> None:
    assert validate(Artifact, {**DESCRIBED, "text": "žluť"}, "artifact").inline_content == "žluť".encode()


def test_content_by_href_is_not_inline() -> None:
    assert validate(Artifact, {**DESCRIBED, "href": "a"}, "artifact").inline_content is None


@pytest.mark.parametrize(
    ("media_type", "content", "delivery"),
    [
        ("text/csv", b"a,b\n", "text"),
        ("text/markdown; charset=utf-8", "# žluť".encode(), "text"),
        ("application/json", b"{}", "text"),
        ("application/json", b"", "text"),
        ("text/csv", "Österreich".encode("latin-1"), "data"),
        ("image/png", PNG, "data"),
        ("application/octet-stream", b"plain", "data"),
    ],
)
def test_artifact_of_content_is_delivered_by_its_kind(media_type: str, content: bytes, delivery: str) -> None:
    made = Artifact.of("x", media_type, content)
    assert made.model_fields_set & {"data", "text", "href"} == {delivery}
    assert made.inline_content == content


def test_artifact_of_content_by_href_keeps_the_bytes_out() -> None:
    made = Artifact.of("plot.png", "image/png", PNG, href="artifacts/plot.png")
    assert made.model_dump(mode="json", exclude_unset=True) == {
        "name": "plot.png",
        "media_type": "image/png",
        "size_bytes": len(PNG),
        "sha256": hashlib.sha256(PNG).hexdigest(),
        "href": "artifacts/plot.png",
    }


def test_artifact_of_content_has_its_size_in_bytes() -> None:
    made = Artifact.of("x", "text/plain", "ž".encode())
    assert made.size_bytes == 2


def test_ref_is_the_description_without_the_bytes() -> None:
    ref = Artifact.of("kpis.json", "application/json", b"abc").ref
    assert ref == ArtifactRef.model_validate(DESCRIBED)
    assert ref.model_dump() == DESCRIBED
