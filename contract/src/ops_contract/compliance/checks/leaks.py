"""What no error may show: stack traces and paths of the module's file system (OPS-ERR-007)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from ops_contract.compliance.observation import Seen

_SOURCES: Final = "py|js|mjs|cjs|ts|rb|go|java|kt|php|rs|cs|cpp|pl|pm|jl|R"
_LEAKS: Final[Mapping[str, str]] = {
    "a stack trace of Python": r"Traceback \(most recent|File \"[^\"]+\", line \d",
    "a frame of a stack": r"\bat (async )?[\w.$<>]+ ?\([^()\s]*(:\d+|<anonymous>|Native Method)\)",
    "a stack trace of Go or Rust": r"\bgoroutine \d+ \[|thread '[^']*' panicked",
    "a line of a source file": rf"[\w./\\-]+\.({_SOURCES})(:\d+|\(\d+\)|\W+line \d)",
    "a folder of packages": r"site-packages|dist-packages|node_modules",
    "a path": r"(?<![\w.~%-])/(usr|home|root|opt|app|var|tmp|srv|etc|proc|mnt|workspace|Users|Library)/\w[^\s\"']*",
    "a path of Windows": r"\b[A-Za-z]:\\{1,2}\w[^\s\"']*",
}
"""What is looked for; each entry of its own is a kind of leak."""

_SHORT: Final = 200
"""Characters of a text whose leaks are remembered."""


def leak_in(seen: Seen) -> str | None:
    """What an error shows that stays inside, and where; None when it shows nothing. What the caller sent may be repeated."""
    sent = seen.exchange.request_body.decode(errors="replace") + seen.exchange.url
    for pointer, text in _texts(seen):
        for what, found in _found_in(text):
            if found[0] not in sent:
                return f"{what} in {pointer or 'the answer'}: {text[max(0, found.start() - 60) : found.end() + 60]!r}"
    return None


def _found_in(text: str) -> Iterable[tuple[str, re.Match[str]]]:
    return _found_in_short(text) if len(text) <= _SHORT else _searched(text)


@lru_cache(maxsize=2048)
def _found_in_short(text: str) -> tuple[tuple[str, re.Match[str]], ...]:
    """The names of fields, and most of their texts, are the same in hundreds of answers."""
    return tuple(_searched(text))


def _searched(text: str) -> Iterator[tuple[str, re.Match[str]]]:
    """The first leak of each kind in a text."""
    for what, pattern in _LEAKS.items():
        if found := re.search(pattern, text):
            yield what, found


def _texts(seen: Seen) -> Iterator[tuple[str, str]]:
    """Every text of an answer with its pointer, keys included; the whole body when it is no JSON."""
    if seen.value is None:
        yield "", seen.exchange.body.decode(errors="replace")
    waiting: list[tuple[str, Any]] = [("", seen.value)]
    while waiting:
        pointer, value = waiting.pop()
        match value:
            case str():
                yield pointer, value
            case dict():
                yield from ((pointer, str(key)) for key in value)
                waiting += [(f"{pointer}/{key}", inner) for key, inner in value.items()]
            case list():
                waiting += [(f"{pointer}/{at}", inner) for at, inner in enumerate(value)]
