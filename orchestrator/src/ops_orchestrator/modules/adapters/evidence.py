"""Evidence of modules that have their own idea of it: from a list, an object or strings to the contract's form."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

from ops_contract import Evidence

_FIELDS: Final = frozenset(Evidence.model_fields)
_TITLES: Final = ("title", "name", "label", "source", "citation", "description", "text")
_ADDRESSES: Final = ("uri", "url", "href", "link")
_WORDS: Final = ("id", "kind", "title")
_KIND: Final = "source"


def evidence_of(value: Any) -> list[dict[str, Any]]:
    """Pieces of evidence, each with `id`, `kind` and `title`, made up where the module does not give them.

    A list has a piece an entry. An object with one of evidence's own names is one piece; of any other object, each member is
    one, with its name as `id`. A string is a title, or an address when it looks like one.
    """
    pieces = list(_pieces(value))
    given = [piece.get("id") for piece in pieces]
    made_up = (f"evidence-{number}" for number in count(1))
    free = (identifier for identifier in made_up if identifier not in given)
    return [{"kind": _KIND, **piece, "id": piece.get("id") or next(free)} for piece in pieces]


def _pieces(value: Any) -> Iterator[dict[str, Any]]:
    match value:
        case None:
            return
        case list():
            for item in value:
                yield from _pieces(item)
        case dict() if not (value.keys() & _FIELDS or any(name in value for name in (*_TITLES, *_ADDRESSES))):
            for name, item in value.items():
                yield {"id": name} | (_piece(item) if isinstance(item, dict | str) else {"title": f"{name}: {_compact(item)}"})
        case _:
            yield _piece(value)


def _piece(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        text = value if isinstance(value, str) else _compact(value)
        return {"title": text or "(empty)"} | ({"uri": text} if text.startswith(("http://", "https://")) else {})
    own = {name: _named(name, item) for name, item in value.items() if name in _FIELDS and item not in (None, "")}
    title = _first(value, _TITLES) or _first(value, _ADDRESSES) or _compact(value)
    address = _first(value, _ADDRESSES)
    return {"title": title} | ({"uri": address} if address else {}) | own


def _named(field: str, item: Any) -> Any:
    return _compact(item) if field in _WORDS and isinstance(item, int | float) else item


def _first(value: dict[str, Any], names: tuple[str, ...]) -> str | None:
    return next((value[name] for name in names if isinstance(value.get(name), str) and value[name]), None)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
