"""Evidence of modules that have their own idea of it: from a list, an object or strings to the contract's form."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from ops_contract import Evidence, ShapeError, validate
from ops_orchestrator.excerpt import excerpt
from ops_orchestrator.modules.adapters.evaluation import Evaluation
from ops_orchestrator.modules.adapters.evidence_mapping import EvidenceMapping
from ops_orchestrator.modules.adapters.expression import Expression

_TITLES: Final = ("title", "name", "label", "source", "citation", "description", "text")
_ADDRESSES: Final = ("uri", "url", "href", "link")
_KNOWN: Final = frozenset({*Evidence.model_fields, *_TITLES, *_ADDRESSES})
_DETAILS: Final = "details"
_WORDS: Final = ("id", "kind", "title")
_KIND: Final = "source"
_ANY: Final = {"id": "any", "kind": "any", "title": "any"}
_LONGEST_TITLE: Final = 200


@dataclass(frozen=True)
class _Piece:
    """The fields of a piece as far as they are known; `name` is that of the member which it was."""

    fields: dict[str, Any]
    name: str = ""


def evidence_of(declared: Expression | EvidenceMapping | None, evaluation: Evaluation) -> list[dict[str, Any]]:
    """The pieces of evidence that `declared` finds in an answer, each with `id`, `kind` and `title`.

    Raises StepError naming the expression that cannot be used.
    """
    if declared is None:
        return []
    if isinstance(declared, EvidenceMapping):
        pieces, where, source = _mapped(declared, evaluation), "evidence.id", declared.id or declared.each
    else:
        pieces, where, source = [*_pieces(evaluation.value("evidence", declared))], "evidence", declared
    given = Counter(piece.fields["id"] for piece in pieces if "id" in piece.fields)
    twice = next((identifier for identifier, number in given.items() if number > 1), None)
    if twice is not None:
        remedy = "declare an id that differs, such as evidence.id, or one that yields nothing to have ids made up"
        raise evaluation.failure(where, f"yields two pieces with the id {excerpt(twice, 60)!r}: {source.text}; {remedy}")
    return list(_identified(pieces, set(given)))


def _identified(pieces: list[_Piece], taken: set[str]) -> Iterator[dict[str, Any]]:
    """The pieces with an id and a kind each. An id that is made up, from a name or a number, is none that another has."""
    numbers = count(1)
    for piece in pieces:
        identifier = piece.fields.get("id") or _free(piece.name, numbers, taken)
        taken.add(identifier)
        yield {"kind": _KIND, **piece.fields, "id": identifier}


def _free(name: str, numbers: Iterator[int], taken: set[str]) -> str:
    if name and name not in taken:
        return name
    tried = (f"{name}-{number}" for number in count(2)) if name else (f"evidence-{number}" for number in numbers)
    return next(identifier for identifier in tried if identifier not in taken)


def _pieces(value: Any) -> Iterator[_Piece]:
    """The pieces in what an expression yields; null and what is empty are none.

    A list has a piece an entry. An object with one of evidence's own names, or one like them, is one piece; of any other
    object, each member is one, under the member's name. A string is a title, and an address when it looks like one.
    """
    if isinstance(value, dict) and not _KNOWN & value.keys():
        for name, item in value.items():
            if not _is_nothing(item):
                yield _Piece(_member(name, item), name)
    else:
        yield from _entries(value)


def _mapped(declared: EvidenceMapping, evaluation: Evaluation) -> list[_Piece]:
    items = evaluation.value("evidence.each", declared.each)
    entries = items if isinstance(items, list) else [] if items is None else [items]
    return [_Piece(_mapped_entry(declared, evaluation.with_item(item), item)) for item in entries if not _is_nothing(item)]


def _mapped_entry(declared: EvidenceMapping, evaluation: Evaluation, item: Any) -> dict[str, Any]:
    given = {name: value for name, expression in declared.fields if (value := _field(name, expression, evaluation)) is not None}
    read = declared.read_of_item
    left = {name: value for name, value in item.items() if name not in read} if isinstance(item, dict) else item
    found = _piece(left, title=given.get("id")) if not _is_nothing(left) else {"title": given.get("id") or _line(item)}
    if declared.details is not None:
        found.pop(_DETAILS, None)
    return found | given


def _field(name: str, expression: Expression, evaluation: Evaluation) -> Any:
    """The value of a declared field; None when there is none."""
    where = f"evidence.{name}"
    value = evaluation.value(where, expression)
    if name == "supports":
        value = value if isinstance(value, list) else [] if value is None else [value]
    if name in _WORDS and isinstance(value, int | float):
        value = evaluation.as_text(where, value)
    if _is_nothing(value):
        return None
    if problem := _problem(name, value):
        raise evaluation.failure(where, f"cannot be used, {problem}: {expression.text}")
    return value


def _entries(value: Any) -> Iterator[_Piece]:
    if _is_nothing(value):
        return
    if isinstance(value, list):
        for item in value:
            yield from _entries(item)
    else:
        yield _Piece(_piece(value))


def _member(name: str, item: Any) -> dict[str, Any]:
    """A member of an object, called by its name where it says nothing better."""
    if isinstance(item, dict):
        return _piece(item, title=name)
    if isinstance(item, str):
        return _piece(item)
    line = _compact(item)
    return {"title": f"{name}: {line}"} if len(line) <= _LONGEST_TITLE else {"title": name, _DETAILS: item}


def _piece(value: Any, title: str | None = None) -> dict[str, Any]:
    """One piece: fields of evidence as they are, others as title and address, what is left as details."""
    if not isinstance(value, dict):
        text = value if isinstance(value, str) else _compact(value)
        return {"title": text} | ({"uri": text} if text.startswith(("http://", "https://")) else {})
    given = ((name, _named(name, item)) for name, item in value.items() if name in Evidence.model_fields)
    own = {name: item for name, item in given if not _is_nothing(item) and not _problem(name, item)}
    named = "title" if "title" in own else _first(value, _TITLES)
    addressed = "uri" if "uri" in own else _first(value, _ADDRESSES)
    titled = value[named] if named else value[addressed] if addressed else title or _line(value)
    used = {*own, named, addressed} - {_DETAILS}
    left = {name: item for name, item in value.items() if name not in used and not _is_nothing(item)}
    details = own.pop(_DETAILS, None)
    if isinstance(details, dict):
        left = details | {name: item for name, item in left.items() if name != _DETAILS}
    kept = details if details is not None and left.keys() == {_DETAILS} else left
    return {"title": titled} | ({"uri": value[addressed]} if addressed else {}) | own | ({_DETAILS: kept} if kept else {})


def _problem(name: str, value: Any) -> str:
    """Why `value` cannot be the field `name` of a piece; empty when it can."""
    try:
        validate(Evidence, _ANY | {name: value}, "evidence")
    except ShapeError as error:
        return error.problems[0].message
    return ""


def _named(field: str, item: Any) -> Any:
    if field == "supports" and isinstance(item, str):
        return [item]
    return _compact(item) if field in _WORDS and isinstance(item, int | float) else item


def _first(value: dict[str, Any], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if isinstance(value.get(name), str) and value[name]), None)


def _is_nothing(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _line(value: Any) -> str:
    """An object as one line: its texts and numbers by name."""
    members = value.items() if isinstance(value, dict) else ()
    parts = [f"{name}: {item if isinstance(item, str) else _compact(item)}" for name, item in members if _is_scalar(item)]
    return excerpt(" ".join((", ".join(parts) or _compact(value)).split()), _LONGEST_TITLE)


def _is_scalar(item: Any) -> bool:
    return isinstance(item, str | int | float) and item != ""


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
