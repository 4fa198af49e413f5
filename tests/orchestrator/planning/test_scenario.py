import json
from typing import Any

import pytest
from pydantic import ValidationError

from ops_orchestrator.errors import InvalidRequestError
from ops_orchestrator.planning.scenario import RunOptions, merged, read_scenario

MINIMAL = {"scenario_id": "demo", "modules": ["alpha"]}


def read(**fields: Any) -> Any:
    return read_scenario(json.dumps({**MINIMAL, **fields}).encode())


def test_scenario_without_options_has_seed_0_and_saves_artifacts() -> None:
    scenario = read()
    assert scenario.run_options == RunOptions(seed=0, save_artifacts=True)
    assert scenario.inputs == {}


def test_scenario_keeps_its_inputs_as_they_are() -> None:
    inputs = {"country": "DR", "deep": [{"a": None}, 1.5, True, "é"]}
    assert read(inputs=inputs).inputs == inputs


@pytest.mark.parametrize("deadline_s", [0.001, 30 * 86400])
def test_labels_and_deadline_are_kept_as_they_are_given(deadline_s: float) -> None:
    options = {"labels": {"0/team.study_a-b": "", "a" * 63: "é \U0001f600" * 66 + "ab"}, "deadline_s": deadline_s}
    assert read(run_options=options).as_json()["run_options"] == {"seed": 0, "save_artifacts": True, **options}


@pytest.mark.parametrize("options", [{}, {"labels": {}, "deadline_s": None}])
def test_options_without_labels_and_deadline_are_recorded_without_them(options: dict[str, Any]) -> None:
    scenario = read(run_options={"seed": 42, **options})
    assert scenario.as_json()["run_options"] == {"seed": 42, "save_artifacts": True}
    assert scenario.model_dump(mode="json") == scenario.as_json()


def test_label_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(ValidationError):
        RunOptions(labels={"a": "\udc9b"})


def test_scenario_with_30_000_bad_labels_has_one_problem_for_all() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read(run_options={"labels": {f"-{number}": 0 for number in range(30_000)}})
    assert caught.value.problem_count == 1


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"scenario_id": ""}, "/scenario_id"),
        ({"scenario_id": 7}, "/scenario_id"),
        ({"scenario_id": "x" * 201}, "/scenario_id"),
        ({"scenario_id": "a\nb"}, "/scenario_id"),
        ({"modules": []}, "/modules"),
        ({"modules": "alpha"}, "/modules"),
        ({"modules": ["../alpha"]}, "/modules/0"),
        ({"modules": ["alpha", ""]}, "/modules/1"),
        ({"modules": [7]}, "/modules/0"),
        ({"modules": [{"action": "score"}]}, "/modules/0/module"),
        ({"modules": [{"module": "alpha", "acton": "score"}]}, "/modules/0/acton"),
        ({"modules": ["alpha", {"module": "alpha", "id": "../b"}]}, "/modules/1/id"),
        ({"modules": [{"module": "alpha", "inputs": 1}]}, "/modules/0/inputs"),
        ({"modules": [{"module": "alpha", "inputs": {"a": [2**53]}}]}, "/modules/0/inputs/a/0"),
        ({"inputs": []}, "/inputs"),
        ({"inputs": {"people": 2**53}}, "/inputs/people"),
        ({"run_options": {"seed": "42"}}, "/run_options/seed"),
        ({"run_options": {"seed": False}}, "/run_options/seed"),
        ({"run_options": {"seed": 1.5}}, "/run_options/seed"),
        ({"run_options": {"seed": -1}}, "/run_options/seed"),
        ({"run_options": {"seed": 2**31}}, "/run_options/seed"),
        ({"run_options": {"save_artifacts": "no"}}, "/run_options/save_artifacts"),
        ({"run_options": {"labels": ["a"]}}, "/run_options/labels"),
        ({"run_options": {"labels": {f"k{number}": "" for number in range(33)}}}, "/run_options/labels"),
        ({"run_options": {"labels": {"": "x"}}}, "/run_options/labels/"),
        ({"run_options": {"labels": {"-a": "x"}}}, "/run_options/labels/-a"),
        ({"run_options": {"labels": {"a\n": "x"}}}, "/run_options/labels/a\n"),
        ({"run_options": {"labels": {"país": "x"}}}, "/run_options/labels/país"),
        ({"run_options": {"labels": {"a" * 64: "x"}}}, f"/run_options/labels/{'a' * 64}"),
        ({"run_options": {"labels": {"a": 1}}}, "/run_options/labels/a"),
        ({"run_options": {"labels": {"a/b": "x" * 201}}}, "/run_options/labels/a~1b"),
        ({"run_options": {"labels": {"a": "b\n"}}}, "/run_options/labels/a"),
        ({"run_options": {"labels": {"a": "\x9b2J"}}}, "/run_options/labels/a"),
        ({"run_options": {"labels": {"a": "\u202egpj.exe"}}}, "/run_options/labels/a"),
        ({"run_options": {"deadline_s": 0}}, "/run_options/deadline_s"),
        ({"run_options": {"deadline_s": 0.0009}}, "/run_options/deadline_s"),
        ({"run_options": {"deadline_s": 30 * 86400 + 1}}, "/run_options/deadline_s"),
        ({"run_options": {"deadline_s": True}}, "/run_options/deadline_s"),
        ({"run_options": {"deadline_s": "60"}}, "/run_options/deadline_s"),
        ({"run_options": {"deadline_s": 10**400}}, "/run_options/deadline_s"),
        ({"run_options": {"sede": 42}}, "/run_options/sede"),
        ({"input": {}}, "/input"),
    ],
)
def test_scenario_of_the_wrong_shape_is_refused_with_a_pointer(fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read(**fields)
    assert caught.value.problems[0].pointer == pointer
    assert caught.value.status == 422


def test_scenario_with_several_mistakes_names_all_of_them() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_scenario(b'{"inputs": 1}')
    assert {problem.pointer for problem in caught.value.problems} == {"/scenario_id", "/modules", "/inputs"}


def test_wrong_name_of_a_module_is_said_once() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read(modules=["../alpha"])
    (problem,) = caught.value.problems
    assert problem.message.startswith("must match pattern")
    assert problem.message.endswith("not '../alpha'")


@pytest.mark.parametrize(
    "modules", [["alpha", "beta"], ["alpha", {"module": "alpha", "id": "b", "action": "score", "inputs": {"x": None}}]]
)
def test_modules_are_written_down_as_they_were_asked_for(modules: list[Any]) -> None:
    assert read(modules=modules).model_dump(mode="json")["modules"] == modules


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        ({}, {"country": "DR", "tax": {"vat": 0.18, "cit": 0.27}, "years": [1, 2]}),
        ({"country": "CR"}, {"country": "CR", "tax": {"vat": 0.18, "cit": 0.27}, "years": [1, 2]}),
        ({"tax": {"vat": 0.2}}, {"country": "DR", "tax": {"vat": 0.2, "cit": 0.27}, "years": [1, 2]}),
        ({"tax": {"vat": None}, "country": None}, {"tax": {"cit": 0.27}, "years": [1, 2]}),
        ({"years": [3], "tax": 1}, {"country": "DR", "tax": 1, "years": [3]}),
        (
            {"country": {"code": "DO", "old": None}},
            {"country": {"code": "DO"}, "tax": {"vat": 0.18, "cit": 0.27}, "years": [1, 2]},
        ),
    ],
)
def test_inputs_of_a_step_are_merged_over_those_of_the_scenario(patch: dict[str, Any], result: dict[str, Any]) -> None:
    inputs = {"country": "DR", "tax": {"vat": 0.18, "cit": 0.27}, "years": [1, 2]}
    untouched = json.loads(json.dumps(inputs))
    assert merged(inputs, patch) == result
    assert inputs == untouched


@pytest.mark.parametrize(
    ("fields", "pointer", "meant"),
    [
        ({"module": ["alpha"]}, "/module", "'modules'"),
        ({"run_options": {"sede": 42}}, "/run_options/sede", "'seed'"),
        ({"modules": [{"module": "alpha", "acton": "score"}]}, "/modules/0/acton", "'action'"),
    ],
)
def test_misspelt_field_comes_with_the_one_that_was_meant(fields: dict[str, Any], pointer: str, meant: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read(**fields)
    (problem,) = caught.value.problems
    assert (problem.pointer, problem.message) == (pointer, f"is not a known field; did you mean {meant}?")


@pytest.mark.parametrize(
    "around", ['{"scenario_id": "x", "modules": ["a"], %s}', '{"run_options": {%s}}', '{"modules": [{%s}]}']
)
def test_scenario_with_60_000_unknown_fields_has_one_problem_for_all(around: str) -> None:
    keys = ", ".join(f'"k{number}": 0' for number in range(60_000))
    with pytest.raises(InvalidRequestError) as caught:
        read_scenario((around % keys).encode())
    assert any("fields; known are" in problem.message for problem in caught.value.problems)
    assert caught.value.problem_count <= 3


def test_scenario_with_too_many_values_is_413_and_names_the_setting() -> None:
    with pytest.raises(InvalidRequestError, match=r"more than the 100 JSON values.* OPS_MAX_REQUEST_VALUES") as caught:
        read_scenario(json.dumps({**MINIMAL, "inputs": {"table": [0] * 100}}).encode(), max_values=100)
    assert caught.value.status == 413


@pytest.mark.parametrize("body", [b"", b"[", b'{"a": NaN}', b"\xff", b'{"a": 1, "a": 2}', b"[" * 5000])
def test_body_that_is_not_strict_json_is_400(body: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_scenario(body)
    assert caught.value.status == 400
