"""Key figures: the headline figures of a step in its outputs, by one convention for all modules (OPS-FIG-001)."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, TypeGuard

from ops_contract._base import excerpt
from ops_contract._errors import MAX_PROBLEMS, Problem
from ops_contract._json import join_pointer, pointer_to

__all__ = ["has_key_figures", "is_number", "key_figure_problems"]

_MOMENTS: Final = ("year", "period")
_DIRECTIONS: Final = ("higher", "lower")


def is_number(value: Any) -> TypeGuard[float]:
    """Is the JSON value a number?"""
    return isinstance(value, int | float) and not isinstance(value, bool)


def has_key_figures(outputs: Mapping[str, Any]) -> bool:
    """Whether a module gives key figures: something stands in `outputs.kpis`, and it is not an empty object."""
    return bool(outputs.get("kpis", {}) != {})


def key_figure_problems(outputs: Mapping[str, Any]) -> tuple[Problem, ...]:
    """What is wrong with the key figures in `outputs`, at most twenty problems; none where there are no key figures.

    `kpis` are numbers by key. With the same keys, `units` and `labels` are texts, and `baseline` and `change`, which come
    together, are numbers; `directions` are "higher" or "lower" for some of the keys. `path` is a list of objects that have a
    `year` or a `period`. Pointers lead into `outputs`.
    """
    return tuple(islice(_problems(outputs), MAX_PROBLEMS)) if has_key_figures(outputs) else ()


def _problems(outputs: Mapping[str, Any]) -> Iterator[Problem]:
    figures = outputs["kpis"]
    if not isinstance(figures, Mapping):
        yield Problem("/kpis", f"must be an object with a number for each key figure, not {excerpt(figures)}")
        return
    yield from _wrong_values("/kpis", figures, is_number, "must be a number")
    parts: dict[str, tuple[Callable[[Any], bool], str]] = {
        "units": (lambda value: isinstance(value, str), "must be a text"),
        "labels": (lambda value: isinstance(value, str) and bool(value.strip()), "must be a text for people"),
    }
    if "baseline" in outputs or "change" in outputs:
        parts |= dict.fromkeys(("baseline", "change"), (is_number, "must be a number"))
    for name, (is_right, must) in parts.items():
        yield from _part(outputs, name, figures, is_right, must)
    yield from _directions(outputs.get("directions", {}), figures)
    yield from _series(outputs.get("path", []))


def _part(
    outputs: Mapping[str, Any], name: str, figures: Mapping[str, Any], is_right: Callable[[Any], bool], must: str
) -> Iterator[Problem]:
    if name not in outputs:
        yield Problem(f"/{name}", "is required beside kpis, with the same keys")
        return
    part = outputs[name]
    if not isinstance(part, Mapping):
        yield Problem(f"/{name}", f"must be an object with the keys of kpis, not {excerpt(part)}")
        return
    for key in (key for key in figures if key not in part):
        yield Problem(pointer_to((name, key)), "is required, because kpis has this key")
    for key in (key for key in part if key not in figures):
        yield Problem(pointer_to((name, key)), "has a key that kpis does not have")
    yield from _wrong_values(f"/{name}", part, is_right, must)


def _directions(directions: Any, figures: Mapping[str, Any]) -> Iterator[Problem]:
    if not isinstance(directions, Mapping):
        yield Problem("/directions", f"must be an object with keys of kpis, not {excerpt(directions)}")
        return
    for key in (key for key in directions if key not in figures):
        yield Problem(pointer_to(("directions", key)), "has a key that kpis does not have")
    yield from _wrong_values("/directions", directions, lambda value: value in _DIRECTIONS, "must be higher or lower")


def _wrong_values(pointer: str, part: Mapping[str, Any], is_right: Callable[[Any], bool], must: str) -> Iterator[Problem]:
    for key, value in part.items():
        if not is_right(value):
            yield Problem(join_pointer(pointer, key), f"{must}, not {excerpt(value)}")


def _series(path: Any) -> Iterator[Problem]:
    if not isinstance(path, list):
        yield Problem("/path", f"must be a list with an object for each year or period, not {excerpt(path)}")
        return
    for index, point in enumerate(path):
        if not isinstance(point, Mapping) or not any(_is_moment(point.get(name)) for name in _MOMENTS):
            yield Problem(pointer_to(("path", index)), "must be an object with a year or a period, a number or a text")


def _is_moment(value: Any) -> bool:
    return is_number(value) or (isinstance(value, str) and bool(value.strip()))
