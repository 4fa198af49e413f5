"""Requests that differ from a good one in one place each, made from the schema of the request.

The schema is walked beside the request. For each place it proposes values of every type and at each bound, leaves fields out,
and puts unknown ones beside them; the models of the contract then say which of the requests are valid. Nothing is drawn at
random, so that two checks send the same requests, and each request is as small a change as can be.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ops_contract import ABSENT, ExecuteRequest, ShapeError, join_pointer, split_pointer, validate

_OF_EVERY_TYPE: Final[tuple[tuple[str, Any], ...]] = (
    ("null", None),
    ("false", False),
    ("true", True),
    ("the number 7", 7),
    ("the number 1.5", 1.5),
    ('the text "x"', "x"),
    ('the text "1"', "1"),
    ('the text "true"', "true"),
    ("an array", ["x"]),
    ("an empty array", []),
    ("an object", {"x": 1}),
)
_AROUND_TEXT: Final[tuple[tuple[str, str, str], ...]] = (
    ("a line end behind it", "", "\n"),
    ("a space behind it", "", " "),
    ("a space before it", " ", ""),
    ("a slash before it", "/", ""),
)
"""What a pattern refuses that is not read to the end of the text."""

_OF_PATTERN: Final[Mapping[str, tuple[str, ...]]] = {
    "/contract_version": ("one", "1", "01.0", "1.00", "1.0.0", "1.99999999999999", "1.999999999999999"),
    "/run_id": ("-a", "a/b", "é", "a..b"),
    "/step_id": (".a", "a:b", "é", "a..b"),
}
"""More texts, for what is told apart by its form; the models say which are right."""

_STEP_IDS: Final = ("", "-a", "a/b", "a b", "a" * 129, "a" * 128, "0", "constructor", "toString")
_MOST_STEPS: Final = (1000, 1001)
_PADDING: Final = "a"
_BEYOND_U_FFFF: Final = "\U0001f4c8"
_UNKNOWN: Final = ("x_unknown", {"a": [1, None]})


@dataclass(frozen=True)
class Mutant:
    """One change of a good request: `value` at `pointer`, or nothing there when it is ABSENT.

    `coerced` says that a reader who guesses would read the right type from it, `unknown` that only an unknown field is added.
    """

    pointer: str
    what: str
    value: Any
    coerced: bool = False
    unknown: bool = False

    @property
    def is_absent(self) -> bool:
        """Whether it leaves a field out."""
        return self.value is ABSENT

    def applied_to(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The request with this change. Raises LookupError when it has no such place."""
        changed: dict[str, Any] = _with(dict(request), split_pointer(self.pointer), self.value)
        return changed

    def overlaps(self, other: "Mutant") -> bool:
        """Whether one changes what the other changes, or something inside it."""
        mine, others = f"{self.pointer}/", f"{other.pointer}/"
        return mine.startswith(others) or others.startswith(mine)


def _with(place: Any, path: Sequence[str], value: Any) -> Any:
    """A copy with `value` at `path`, which shares all that is beside the path: of a large request, a copy takes long."""
    name, *below = path
    at = int(name) if isinstance(place, list) else name
    changed = copy.copy(place)
    if below:
        changed[at] = _with(place[at], below, value)
    elif value is ABSENT:
        del changed[at]
    else:
        changed[at] = value
    return changed


def is_valid(request: Mapping[str, Any]) -> bool:
    """Whether the schema accepts a request."""
    try:
        validate(ExecuteRequest, request, "request")
    except ShapeError:
        return False
    return True


def mutants_of(request: Mapping[str, Any]) -> Iterator[Mutant]:
    """Every mutant of a good request, field by field."""
    schema = ExecuteRequest.model_json_schema()
    yield from _in_object(schema, "", schema["$defs"], request)


def _at(schema: Mapping[str, Any], pointer: str, definitions: Any, value: Any) -> Iterator[Mutant]:
    """The mutants at a place and below it."""
    forms = [_resolved(form, definitions) for form in schema.get("anyOf", [schema])]
    types = {form.get("type") for form in forms}
    for what, proposed in (*_OF_EVERY_TYPE, *(each for form in forms for each in _bounds(form, pointer, value))):
        yield Mutant(pointer, f"{what} at {pointer}", proposed, coerced=_is_coerced(proposed, types))
    if isinstance(value, str | int | float):
        yield Mutant(pointer, f"the right value in an array at {pointer}", [value], coerced=True)
    for form in forms:
        if form.get("type") == "object" and isinstance(value, dict):
            yield from _in_object(form, pointer, definitions, value)
        elif "items" in form and isinstance(value, list) and value:
            yield Mutant(pointer, f"the first item alone at {pointer}", value[0], coerced=True)
            yield from _at(_resolved(form["items"], definitions), join_pointer(pointer, 0), definitions, value[0])


def _in_object(schema: Mapping[str, Any], pointer: str, definitions: Any, value: Mapping[str, Any]) -> Iterator[Mutant]:
    properties = schema.get("properties", {})
    if properties:
        name, content = _UNKNOWN
        unknown = join_pointer(pointer, name)
        yield Mutant(unknown, f"the unknown field {unknown}", content, unknown=True)
    for name, inner in properties.items():
        if name in value:
            below = join_pointer(pointer, name)
            yield Mutant(below, f"no {below}", ABSENT)
            yield from _at(_resolved(inner, definitions), below, definitions, value[name])
    for inner in schema.get("patternProperties", {}).values():
        if value:
            first = next(iter(value))
            yield from _steps(pointer, value)
            yield from _at(_resolved(inner, definitions), join_pointer(pointer, first), definitions, value[first])


def _steps(pointer: str, value: Mapping[str, Any]) -> Iterator[Mutant]:
    last = list(value)[-1]
    for step in _STEP_IDS:
        yield Mutant(join_pointer(pointer, step), f"the step id {step[:20]!r} of {len(step)} characters", value[last])
    for count in _MOST_STEPS:
        yield Mutant(pointer, f"{count} steps at {pointer}", {f"s{number}": value[last] for number in range(count)})


def _bounds(form: Mapping[str, Any], pointer: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Values just below, at and just above each bound of the schema."""
    match form.get("type"):
        case "integer" | "number":
            yield from _of_number(form)
        case "string" if isinstance(value, str):
            yield from _of_text(form, value)
            yield from ((f"the text {text!r}", text) for text in _OF_PATTERN.get(pointer, ()))


def _of_number(form: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    least, most, above = form.get("minimum"), form.get("maximum"), form.get("exclusiveMinimum")
    found = [] if least is None else [least - 1, least, float(least)]
    found += [] if most is None else [most, float(most), most + 0.5, most + 1]
    found += [] if above is None else [above, above - 1, 86_400, 86_400.5]
    yield from ((f"the number {number}", number) for number in found)


def _of_text(form: Mapping[str, Any], value: str) -> Iterator[tuple[str, Any]]:
    if form.get("minLength") or "pattern" in form:
        yield "an empty text", ""
    if (most := form.get("maxLength")) is not None:
        for length in (most, most + 1):
            yield f"a text of {length} characters", value + _PADDING * (length - len(value))
            yield f"{length} characters beyond U+FFFF", _BEYOND_U_FFFF * length
    if "pattern" in form:
        yield from ((f"{what}", f"{before}{value}{after}") for what, before, after in _AROUND_TEXT)


def _is_coerced(value: Any, types: set[str | None]) -> bool:
    """Whether a reader who guesses would make one of these types of the value."""
    if types & {"integer", "number"}:
        return isinstance(value, bool | float) or value == "1"
    if "boolean" in types:
        return isinstance(value, int) or value in ("1", "true")
    return "string" in types and isinstance(value, bool | int | float)


def _resolved(schema: Mapping[str, Any], definitions: Any) -> Mapping[str, Any]:
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    return {**definitions[name], **schema} if name else schema
