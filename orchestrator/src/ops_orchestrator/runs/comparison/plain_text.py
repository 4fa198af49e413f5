"""Markdown as lines of text without their markup, so that what is compared is what people read.

A parser of Markdown would know it better, and takes time that is quadratic in what a hostile brief has; each line is read by
itself here, once.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

_FENCE: Final = re.compile(r"[ \t]{0,3}(```+|~~~+)")
_RULES: Final = (frozenset("-=*_ \t"), frozenset("-|: \t"))
_QUOTE: Final = re.compile(r"[ \t]*>[> \t]*")
_HEADING: Final = re.compile(r"#{1,6}[ \t]+")
_BULLET: Final = re.compile(r"[-*+][ \t]+")
_CELL: Final = re.compile(r"(?<!\\)\|")
_LINK: Final = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_OPENING: Final = re.compile(r"(?<![\w*_~\\])(?:\*{1,3}|_{1,3}|~~)(?=[^\s*_~])")
_CLOSING: Final = re.compile(r"(?<=[^\s*_~\\])(?:\*{1,3}|_{1,3}|~~)(?![\w*_~])")
_CODE: Final = re.compile(r"`+")
_ESCAPE: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
_SPACES: Final = re.compile(r"\s+")


def plain_lines(markdown: str) -> Iterator[str]:
    """The lines of a Markdown text that have words, without markup; the cells of a table are divided by dots."""
    fence = ""
    for line in markdown.split("\n"):
        mark = _FENCE.match(line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        elif text := _spaced(line) if fence else _plain(line):
            yield text


def _plain(line: str) -> str:
    characters = frozenset(line)
    if any(characters <= rule for rule in _RULES):
        return ""
    text = line[quote.end() :] if (quote := _QUOTE.match(line)) else line.strip()
    if heading := _HEADING.match(text):
        text = text[heading.end() :].rstrip("# \t")
    elif bullet := _BULLET.match(text):
        text = f"• {text[bullet.end() :]}"
    elif text.startswith("|"):
        text = " · ".join(cell.strip() for cell in _CELL.split(text.strip("|")))
    return _spaced(unescape(_inline(text)))


def _inline(text: str) -> str:
    for markup, instead in ((_LINK, r"\1"), (_OPENING, ""), (_CLOSING, ""), (_CODE, ""), (_ESCAPE, r"\1")):
        text = markup.sub(instead, text)
    return text


def _spaced(text: str) -> str:
    return _SPACES.sub(" ", text).strip()
