"""Figures of several runs side by side, from whatever their modules declare."""

from typing import Any

import pytest
from run_records import record

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.runs.figure_comparison import MOST_ROWS, ComparedValue, FigureComparison, compare_figures
from ops_orchestrator.runs.figure_tables import csv_of, markdown_of
from ops_orchestrator.runs.record import Results
from ops_orchestrator.runs.run_figures import RunFigures


def run(number: int = 1, status: str = "completed", **steps: dict[str, Any]) -> RunFigures:
    """A run with a step for each of `steps`: its outputs, and under `module` and `evidence` what else it answered."""
    recorded = record(number, f"scenario-{number}", status)
    rows = [
        {"step": at, "id": step, "module": told.get("module", step), "action": "execute", "warnings": told.get("warnings", ())}
        for at, (step, told) in enumerate(steps.items(), start=1)
    ]
    answered = {
        step: {
            "module": told.get("module", step),
            "outputs": told,
            "artifacts": [],
            "evidence": told.get("evidence", []),
            "warnings": [],
        }
        for step, told in steps.items()
    }
    made = type(recorded).model_validate(recorded.model_dump() | {"steps": rows})
    return RunFigures.of(made, Results.model_validate({"run_id": "run_1", "scenario_id": "demo", "steps": answered}))


def risk(value: Any, **fields: Any) -> dict[str, Any]:
    """Outputs with one key figure `k`; each of `fields` says something of it."""
    return {"kpis": {"k": value}, **{name: {"k": of} for name, of in fields.items()}}


def only(*values: dict[str, Any]) -> tuple[ComparedValue, ...]:
    """The figure `k` of runs whose step alpha answers `values`."""
    (figure,) = compare_figures([run(number, alpha=told) for number, told in enumerate(values, start=1)]).figures
    return figure.values


def marks(*values: dict[str, Any]) -> list[str | None]:
    return [value.mark for value in only(*values)]


def test_change_is_absolute_and_relative_against_the_first_run() -> None:
    first, second, third = only(risk(-0.2), risk(0.1), risk(-0.2))
    assert (first.change, first.relative) == (None, None)
    assert second.change == 0.3
    assert second.relative == pytest.approx(1.5)
    assert (third.change, third.relative) == (0, 0)


def test_change_of_nothing_has_no_relative_form() -> None:
    assert [(value.change, value.relative) for value in only(risk(0), risk(2))][1] == (2, None)


@pytest.mark.parametrize("value", [None, "high", True, 10**400, [1]])
def test_what_cannot_be_subtracted_has_no_change(value: Any) -> None:
    assert only(risk(1.5), risk(value))[1].change is None
    assert only(risk(value), risk(1.5))[1].change is None


def test_figure_that_a_run_does_not_have_has_no_value() -> None:
    first, second = compare_figures([run(1, alpha=risk(1)), run(2, alpha={"kpis": {"other": 2}})]).figures
    assert [value.text for value in first.values] == ["1", "no value"]
    assert [(value.text, value.change) for value in second.values] == [("no value", None), ("2", None)]


def test_other_unit_is_named_and_nothing_is_subtracted() -> None:
    _, second = only(risk(1, units="jobs", directions="higher"), risk(2, units="share", directions="higher"))
    assert (second.text, second.change, second.mark) == ("200.00 % (share)", None, None)
    assert only(risk(1, units="jobs"), risk(2))[1].text == "2 (no unit)"


def test_best_and_worst_follow_the_declared_direction() -> None:
    assert marks(*(risk(value, directions="lower") for value in (3, 1, 2, 1))) == ["worst", "best", None, "best"]
    assert marks(risk(1, directions="higher"), risk(2, directions="higher")) == ["worst", "best"]


@pytest.mark.parametrize(
    "values",
    [
        (risk(1), risk(2)),
        (risk(1, directions="lower"), risk(2)),
        (risk(1, directions="lower"), risk(2, directions="higher")),
        (risk(1, directions="better"), risk(2, directions="better")),
        (risk(1, directions="lower"), risk(1.0, directions="lower")),
        (risk(1, directions="lower"), risk("high", directions="lower")),
    ],
)
def test_nothing_is_best_without_a_common_direction_or_a_difference(values: tuple[dict[str, Any], ...]) -> None:
    assert marks(*values) == [None, None]


def compared(*runs: RunFigures) -> list[tuple[str, list[Any]]]:
    return [(figure.step, [value.value for value in figure.values]) for figure in compare_figures(runs).figures]


def test_steps_stand_beside_those_of_the_same_id_or_else_of_the_same_module() -> None:
    one = run(1, forecast={**risk(1), "module": "simulator"})
    assert compared(one, run(2, forecast={**risk(2), "module": "rival"})) == [("forecast", [1, 2])]
    assert compared(one, run(2, raised={**risk(2), "module": "simulator"})) == [("forecast", [1, 2])]
    assert compared(one, run(2, other=risk(2))) == [("forecast", [1, None]), ("other", [None, 2])]


def test_step_does_not_stand_beside_one_that_its_run_has_too() -> None:
    one = run(1, forecast={**risk(1), "module": "simulator"})
    two = run(2, forecast={**risk(2), "module": "rival"}, other={**risk(3), "module": "simulator"})
    assert compared(one, two) == [("forecast", [1, 2]), ("other", [None, 3])]


def test_module_that_a_run_has_twice_is_not_taken_for_that_of_another() -> None:
    one = run(1, forecast={**risk(1), "module": "simulator"})
    twice = run(2, low={**risk(2), "module": "simulator"}, high={**risk(3), "module": "simulator"})
    assert compared(one, twice) == [
        (
            "forecast",
            [
                1,
                None,
            ],
        ),
        ("low", [None, 2]),
        ("high", [None, 3]),
    ]


def test_same_id_counts_more_than_the_same_module_in_whatever_order_the_runs_are() -> None:
    def of(number: int, **values: float) -> RunFigures:
        steps: dict[str, Any] = {step: {**risk(value), "module": "simulator"} for step, value in values.items()}
        return run(number, **steps)

    runs = [of(1, high=10), of(2, x2=20), of(3, x1=30, x2=31)]
    assert compared(*runs) == [("high", [10, 20, 31]), ("x1", [None, None, 30])]
    assert compared(*reversed(runs)) == [("x1", [30, None, None]), ("x2", [31, 20, 10])]
    both = of(4, high=40, x2=41)
    assert compared(*runs[:2], both) == [("high", [10, None, 40]), ("x2", [None, 20, 41])]


def test_other_module_of_a_step_is_named() -> None:
    modules = ("simulator", "simulator", "rival")
    found = compare_figures([run(at, forecast={**risk(1), "module": module}) for at, module in enumerate(modules)])
    (values,) = (figure.values for figure in found.figures)
    assert [value.other_module for value in values] == ["", "", "rival"]
    assert "other module: rival" in csv_of(found)
    assert "| 1 of rival (" in markdown_of(found)


def test_run_that_failed_is_marked_with_its_warnings_and_made_up_figures() -> None:
    made_up = [{"id": "e", "kind": "dataset", "title": "Invented", "synthetic": True}]
    failed = run(2, "failed", alpha={**risk(2), "evidence": made_up, "warnings": ["careful"]}, beta=risk(3))
    found = compare_figures([run(1, alpha=risk(1)), failed])
    assert [run.notes for run in found.runs] == [(), ("failed", "synthetic", "1 warning")]
    assert [[value.synthetic for value in figure.values] for figure in found.figures] == [[False, True], [False, True]]


def test_figures_beyond_the_most_are_counted() -> None:
    many = {"kpis": {f"k{number}": number for number in range(MOST_ROWS + 7)}}
    found = compare_figures([run(1, alpha=many), run(2, alpha=many)])
    assert (len(found.figures), found.more) == (MOST_ROWS, 7)


@pytest.mark.parametrize(("count", "message"), [(1, "takes two runs or more"), (21, "at most 20 runs, not 21")])
def test_too_few_and_too_many_runs_are_refused(count: int, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        compare_figures([run(alpha=risk(1))] * count)


def test_json_has_runs_and_figures_in_their_order() -> None:
    found: FigureComparison = compare_figures([run(1, alpha=risk(1)), run(2, alpha=risk(2))])
    document = found.as_json()
    assert [run["heading"] for run in document["runs"]] == ["scenario-1", "scenario-2"]
    assert [value["change"] for value in document["figures"][0]["values"]] == [None, 1]
