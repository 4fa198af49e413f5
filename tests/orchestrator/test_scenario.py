import json
from typing import Any

import pytest

from ops_orchestrator.errors import InvalidRequestError
from ops_orchestrator.scenario import RunOptions, read_scenario

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
        ({"inputs": []}, "/inputs"),
        ({"inputs": {"people": 2**53}}, "/inputs/people"),
        ({"run_options": {"seed": "42"}}, "/run_options/seed"),
        ({"run_options": {"seed": False}}, "/run_options/seed"),
        ({"run_options": {"seed": 1.5}}, "/run_options/seed"),
        ({"run_options": {"seed": -1}}, "/run_options/seed"),
        ({"run_options": {"seed": 2**31}}, "/run_options/seed"),
        ({"run_options": {"save_artifacts": "no"}}, "/run_options/save_artifacts"),
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


@pytest.mark.parametrize("body", [b"", b"[", b'{"a": NaN}', b"\xff", b'{"a": 1, "a": 2}', b"[" * 5000])
def test_body_that_is_not_strict_json_is_400(body: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_scenario(body)
    assert caught.value.status == 400
