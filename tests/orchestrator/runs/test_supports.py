"""Which values of outputs some evidence supports, in outputs of any form and size."""

import json
from typing import Any

import pytest

from ops_contract import Evidence
from ops_orchestrator.runs.supports import MOST_ITEMS, Leaf, leaves

OUTPUTS = {"kpis": {"growth": 0.02, "name": "x"}, "path": [{"year": 2026, "v": 1}, {"year": 2027, "v": None}], "a/b": {"~": 3}}


def item(identifier: str, *supports: str) -> Evidence:
    return Evidence(id=identifier, kind="dataset", title=identifier, supports=supports)


def figures(outputs: dict[str, Any], *evidence: Evidence, pointer: str = "") -> dict[str, list[str]]:
    """The ids of what supports each figure, by its pointer."""
    found = leaves(outputs, evidence, pointer)
    return {leaf.pointer: [one.id for one in leaf.evidence] for leaf in found if leaf.is_figure}


def test_figures_are_the_numbers_in_the_order_of_the_outputs() -> None:
    assert list(figures(OUTPUTS)) == ["/kpis/growth", "/path/0/year", "/path/0/v", "/path/1/year", "/a~1b/~0"]
    assert figures({"a": True, "b": "1", "c": None, "d": [], "e": {}}) == {}


@pytest.mark.parametrize(
    ("supports", "pointers"),
    [
        ("/kpis/growth", ["/kpis/growth"]),
        ("/kpis", ["/kpis/growth"]),
        ("/path/0", ["/path/0/year", "/path/0/v"]),
        ("/path", ["/path/0/year", "/path/0/v", "/path/1/year"]),
        ("/a~1b/~0", ["/a~1b/~0"]),
        ("/kpis/name", []),
        ("/kpi", []),
        ("", ["/kpis/growth", "/path/0/year", "/path/0/v", "/path/1/year", "/a~1b/~0"]),
    ],
)
def test_evidence_supports_what_it_names_and_everything_below(supports: str, pointers: list[str]) -> None:
    found = figures(OUTPUTS, item("e", supports), item("unused"))
    assert [pointer for pointer, ids in found.items() if ids == ["e"]] == pointers
    assert all(ids in ([], ["e"]) for ids in found.values())


def test_figure_names_all_that_it_rests_on_once_and_the_widest_first() -> None:
    everything, row, again = item("everything", ""), item("row", "/path/0"), item("again", "/path/0/v", "/path/0", "/path")
    assert figures(OUTPUTS, again, row, everything, pointer="/path/0/v") == {"/path/0/v": ["everything", "again", "row"]}


@pytest.mark.parametrize(("pointer", "values"), [("/kpis", [0.02, "x"]), ("/path/1", [2027, None]), ("/path/0/v", [1])])
def test_values_below_a_pointer_are_found(pointer: str, values: list[Any]) -> None:
    assert [leaf.value for leaf in leaves(OUTPUTS, pointer=pointer)] == values


def test_empty_array_is_a_value() -> None:
    assert [leaf.pointer for leaf in leaves({"a": [[], {}]})] == ["/a/0", "/a/1"]


@pytest.mark.parametrize("pointer", ["kpis", "/kpi", "/path/2", "/path/-1", "/path/01", "/kpis/growth/x", "/"])
def test_pointer_that_leads_nowhere_is_an_error(pointer: str) -> None:
    with pytest.raises(LookupError):
        list(leaves(OUTPUTS, pointer=pointer))


def test_deep_outputs_with_long_keys_and_much_evidence_are_read() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = {"k" * 10_000: deep}
    (leaf,) = leaves({"deep": deep}, [item(f"e{number}", "", "/deep") for number in range(1000)])
    assert len(leaf.pointer) == 1003
    assert len(leaf.evidence) == MOST_ITEMS


def test_every_value_of_large_outputs_is_counted() -> None:
    outputs = json.loads(f'{{"a": [{", ".join(["[1]"] * 20_000)}]}}')
    found: list[Leaf] = list(leaves(outputs, [item("e", "/a")]))
    assert (len(found), all(leaf.is_supported for leaf in found)) == (20_000, True)
