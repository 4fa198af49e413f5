"""What an error names: versions and actions in its `details`, or as words of its own in its message."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ops_contract.compliance.observation import Seen

_MOST_LEVELS: Final = 20


def not_named(seen: Seen, words: Iterable[str], field: str) -> list[str]:
    """Those of `words` that an error names nowhere; when its details have the `field` for them, those that it lacks."""
    details = seen.error.get("details")
    if isinstance(details, dict) and field in details:
        texts = [*_texts(details[field])]
    else:
        texts = [*_texts(seen.error.get("message")), *_texts(details)]
    return [word for word in words if not any(map(_word(word).search, texts))]


def _word(word: str) -> re.Pattern[str]:
    """The word by itself, not in "executed", "/execute", "11.0" or "1.0.2"; a version may have a v in front."""
    return re.compile(rf"(?<![\w./-])v?{re.escape(word)}(?![\w-]|\.\w)")


def _texts(value: Any, level: int = 0) -> Iterator[str]:
    match value:
        case str() | int() | float():
            yield str(value)
        case dict() if level < _MOST_LEVELS:
            yield from map(str, value)
            for inner in value.values():
                yield from _texts(inner, level + 1)
        case list() if level < _MOST_LEVELS:
            for inner in value:
                yield from _texts(inner, level + 1)
