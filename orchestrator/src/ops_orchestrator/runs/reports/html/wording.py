"""Times, durations and foreign texts as a page writes them."""

from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from ops_orchestrator.charts.words import visible

MOST_CHARACTERS: Final = 2_000
"""So much of a text that somebody else wrote stands on a page."""

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_HASH_DIGITS: Final = 12
_NBSP: Final = "\N{NARROW NO-BREAK SPACE}"


def foreign(text: object, most: int = MOST_CHARACTERS) -> Markup:
    """A text that somebody else wrote, escaped, its control characters as symbols, and kept from turning ours around."""
    whole = str(text)
    return Markup("<bdi>{}</bdi>{}").format(visible(whole[:most]), _more(whole, most) if len(whole) > most else "")


def foreign_lines(text: str, most: int = MOST_CHARACTERS) -> Markup:
    """As `foreign`, for a text of several lines that keeps them; inside of `pre`."""
    lines = [foreign(line) for line in text[:most].splitlines()]
    return Markup("\n").join([*lines, *([_more(text, most)] if len(text) > most else [])])


def _more(text: str, most: int) -> Markup:
    return Markup('… <span class="soft">({} more characters)</span>').format(f"{len(text) - most:,}")


def moment(time: str) -> Markup:
    """A time (RFC 3339) in UTC, to the second."""
    at = datetime.fromisoformat(time).astimezone(UTC)
    return Markup('<time datetime="{}">{:%Y-%m-%d %H:%M:%S} UTC</time>').format(time, at)


def seconds_between(begin: str | None, end: str | None) -> float | None:
    """The time from `begin` to `end` in seconds, never less than 0; None where one of them is not known."""
    if begin is None or end is None:
        return None
    return max((datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds(), 0.0)


def duration(seconds: float | None) -> str:
    """A duration such as `8 ms`, `2.7 s`, `3 min 12 s` or `2 h 5 min`; empty for None."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{round(seconds * 1000)}{_NBSP}ms"
    if seconds < _MINUTE_S:
        return f"{seconds:.1f}{_NBSP}s"
    whole = round(seconds)
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S}{_NBSP}min {whole % _MINUTE_S}{_NBSP}s"
    return f"{whole // _HOUR_S}{_NBSP}h {whole % _HOUR_S // _MINUTE_S}{_NBSP}min"


def short_hash(sha256: str) -> Markup:
    """The first digits of a hash, with all of them where a mouse rests on it."""
    return Markup('<span class="fp" title="{}">{}</span>').format(sha256, sha256[:_HASH_DIGITS])


def counted(count: int, one: str, several: str = "") -> str:
    """A number with its noun: `1 step`, `2 steps`."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"
