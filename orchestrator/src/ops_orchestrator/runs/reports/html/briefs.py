"""A brief that a module wrote, as HTML that cannot do anything: no HTML of its own, no pictures, few addresses."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from ops_orchestrator.charts.words import visible

MOST_BYTES: Final = 256 * 1024
"""A longer brief is offered as a file, and so are those for which the briefs before it leave no room of so many bytes."""

MOST_HTML: Final = 1024 * 1024
"""The HTML of all briefs has at most so many characters."""

MOST_BRIEFS: Final = 40
"""So many briefs are shown or offered; the rest is counted."""

MOST_EFFORT: Final = 40_000
"""All briefs together have at most so much `effort`, which takes a second or two to be read as Markdown."""

_MOST_LEVELS: Final = 50
_MARK: Final = re.compile(r"[^\w\s]|_", re.ASCII)
_BELOW_HEAD: Final = re.compile(r"[\s>|:*+.)0-9-]*\|[\s>|:*+.)0-9-]*", re.ASCII)
# At each bracket the parser looks for the end of a link, as many levels deep as there may be.
_EFFORT_OF_A_BRACKET: Final = 10
_LEVEL_ABOVE: Final = 2
_DEEPEST: Final = 6
_SCHEMES: Final = ("https:", "mailto:")
_TAGS: Final = frozenset(
    [
        "h3",
        "h4",
        "h5",
        "h6",
        "p",
        "ul",
        "ol",
        "li",
        "strong",
        "em",
        "code",
        "pre",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "blockquote",
        "hr",
        "a",
        "br",
        "div",
    ]
)
_CELL: Final = {"class": {"n", "c"}}
_SCROLL: Final = {"class": {"scroll"}, "role": {"group"}, "tabindex": {"0"}, "aria-label": {"Table"}}
_ALIGNED: Final = {"text-align:right": "n", "text-align:center": "c"}


def brief_html(content: bytes) -> Markup:
    """The HTML of Markdown (CommonMark with tables), its headings below a page's second level.

    Whatever is not on the list of what a brief may have is left out: scripts, styles, pictures, whose alternative text stays,
    and other addresses. `content` has at most `MOST_BYTES`, and its `effort` is at most `MOST_EFFORT`.
    """
    text = "\n".join(map(visible, content.decode(errors="replace").replace("\t", "    ").splitlines()))
    parser, options = _parser()
    tokens = list(_harmless(parser.parse(text)))
    drawn = RendererHTML().render(tokens, options, {})
    cleaned = nh3.clean(
        drawn,
        tags=set(_TAGS),
        attributes={"a": {"href"}, "ol": {"start"}},
        tag_attribute_values={"td": _CELL, "th": _CELL, "div": _SCROLL},
        url_schemes={scheme.removesuffix(":") for scheme in _SCHEMES},
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(cleaned)  # noqa: S704  # cleaned, see above


def effort(content: bytes) -> int:
    """How much work it is to read Markdown: its marks and lines, brackets more than others, and the cells of its tables.

    The parser takes 90 s for 256 KiB of `![`, and makes a row of a wide table of every line below it.
    """
    total, columns = 0, 0
    for line in content.decode(errors="replace").splitlines():
        columns = max(columns, line.count("|")) if _BELOW_HEAD.fullmatch(line) else columns if line.strip() else 0
        total += 1 + max(len(_MARK.findall(line)), columns) + _EFFORT_OF_A_BRACKET * line.count("[")
    return total


@cache
def _parser() -> tuple[MarkdownIt, Any]:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _MOST_LEVELS}).enable("table")
    return parser, parser.options


def _harmless(tokens: Sequence[Token]) -> Iterator[Token]:
    """The tokens with their headings moved down, no level left out, and tables in a region that scrolls by itself."""
    level = _LEVEL_ABOVE
    for token in tokens:
        if token.type == "heading_open":
            level = min(int(token.tag[1]) + _LEVEL_ABOVE, level + 1, _DEEPEST)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{level}"
        if token.type in ("td_open", "th_open"):
            aligned = _ALIGNED.get(str(token.attrs.pop("style", "")))
            token.attrs = {"class": aligned} if aligned else {}
        token.children = [*map(_inline, token.children)] if token.children else token.children
        if token.type == "table_open":
            yield _html('<div class="scroll" role="group" tabindex="0" aria-label="Table">')
        yield token
        if token.type == "table_close":
            yield _html("</div>")


def _inline(token: Token) -> Token:
    if token.type == "image":
        return Token("text", "", 0, content=token.content)
    href = str(token.attrs.get("href", ""))
    if token.type == "link_open" and not href.lower().startswith(_SCHEMES):
        token.attrs = {}
    return token


def _html(text: str) -> Token:
    return Token("html_block", "", 0, content=f"{text}\n")
