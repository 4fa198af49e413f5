"""The report of the legacy service: a page that can be read, the same bytes every time, or a page that says sorry."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from matplotlib.font_manager import FontProperties, findfont
from PIL import ImageFont
from starlette.applications import Starlette

from ops_stubs.legacy import create_legacy
from ops_stubs.legacy_report import Line, draw, lay_out

pytestmark = pytest.mark.slow

Connect = Callable[[Starlette], AbstractAsyncContextManager[httpx2.AsyncClient]]

BODY: dict[str, Any] = {"title": "VAT at 20 %", "paragraphs": ["It costs $5 and brings in $6.", "Growth is slower."]}
# The page of A4 without its margins.
ROOM = 595.3 - 2 * 68


@pytest.fixture
async def client(connect: Connect, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with connect(create_legacy(tmp_path)) as opened:
        yield opened


def width(line: Line) -> float:
    """How wide a line is, measured by another library."""
    face = findfont(FontProperties(family="DejaVu Sans", weight=line.weight))
    return ImageFont.truetype(face, 1000).getlength(line.text) / 1000 * line.size


@pytest.fixture(scope="module")
def drawn() -> bytes:
    return draw(BODY)


@pytest.mark.anyio
async def test_report_is_a_pdf_to_download(client: httpx2.AsyncClient, drawn: bytes) -> None:
    answer = await client.post("/report", json=BODY)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.headers["content-disposition"] == 'attachment; filename="policy-report.pdf"'
    assert (answer.content[:5], answer.content.rstrip()[-5:]) == (b"%PDF-", b"%%EOF")
    assert answer.content == drawn


@pytest.mark.anyio
@pytest.mark.parametrize(
    "changes",
    [
        {"title": None},
        {"title": "\x00 \n"},
        {"title": 7},
        {"paragraphs": None},
        {"paragraphs": ["", " "]},
        {"paragraphs": "text"},
        {"paragraphs": ["text", 7]},
    ],
    ids=str,
)
async def test_report_without_title_or_text_is_an_error_page(client: httpx2.AsyncClient, changes: dict[str, Any]) -> None:
    answer = await client.post("/report", json={name: value for name, value in (BODY | changes).items() if value is not None})
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert answer.text.startswith("<!doctype html>\n<html><head><title>Application error</title>")


@pytest.mark.anyio
async def test_report_of_a_body_that_is_no_object_is_an_error_page(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/report", content=b"title=x")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")


def test_report_of_the_same_text_is_the_same_in_another_process(drawn: bytes) -> None:
    code = f"import sys; from ops_stubs.legacy_report import draw; sys.stdout.buffer.write(draw({BODY!r}))"
    environment = os.environ | {"PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"}
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
    assert other.stdout == drawn


def test_report_of_a_longer_text_has_one_page_and_says_neither_when_nor_with_what_it_was_made(drawn: bytes) -> None:
    content = draw(BODY | {"paragraphs": ["A few words. " * 30] * 40})
    assert len(re.findall(rb"/Type /Page\b", content)) == 1
    assert not re.search(rb"/(CreationDate|ModDate|Producer|Creator)\b", content)
    assert b"(VAT at 20 %)" in content
    assert content != drawn


def test_lay_out_sets_title_and_paragraphs_in_their_order_from_the_top() -> None:
    lines = lay_out("A title", ["First.", "Second."])
    assert [line.text for line in lines] == ["A title", "First.", "Second."]
    assert lines[0].size > lines[1].size == lines[2].size
    assert lines[0].y > lines[1].y > lines[2].y
    assert lines[1].y - lines[2].y > 20, "paragraphs stand apart"


@pytest.mark.parametrize(
    "text",
    ["Words of several lengths, " * 50, "W" * 300, "i" * 700, "a " + "m" * 200, "Ñandúes " * 90],
    ids=lambda text: text[:9],
)
def test_lay_out_fills_its_lines_and_stays_within_the_margins(text: str) -> None:
    lines = lay_out(text[:60], [text])
    assert all(width(line) <= ROOM * 1.01 for line in lines)
    assert max(map(width, lines)) > ROOM * 0.8
    assert "".join(line.text for line in lines if line.size < 20).replace(" ", "") == text.replace(" ", "")


def test_lay_out_of_a_long_title_is_three_lines_and_dots() -> None:
    title = [line for line in lay_out("A long title " * 40, ["Text."]) if line.size == 20]
    assert len(title) == 3
    assert title[-1].text.endswith(" …")
    assert all(width(line) <= ROOM for line in title)


def test_lay_out_of_a_long_text_ends_with_a_note_above_the_foot() -> None:
    lines = lay_out("A title", ["Some words that fill a line or two of the page. " * 4] * 50)
    assert lines[-1].text == "The rest does not fit on this page."
    assert lines[-1].y >= 76
    assert lines[-2].y > lines[-1].y


def test_lay_out_of_a_text_that_fits_has_no_note() -> None:
    assert len(lay_out("A title", ["Word."] * 20)) == 21


def test_report_of_odd_text_is_drawn_without_a_warning() -> None:
    """Formulas, characters that the font does not have, that are not printed or run to the left, and far too many."""
    odd = ["$x$ and $", "中文 😀 \U0010ffff", "a\x00b\u200bc", "ﷺ שלום مرحبا", "x" * 900_000]
    assert draw({"title": "$\\frac{$", "paragraphs": odd}).startswith(b"%PDF-")
