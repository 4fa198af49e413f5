"""What a module says of itself, and what it is asked."""

from typing import Any

import pytest

from ops_contract import ExecuteRequest, Health, Options, Problem, ShapeError, validate


def _problems(model: type[Health | ExecuteRequest], value: Any) -> tuple[Problem, ...]:
    with pytest.raises(ShapeError) as caught:
        validate(model, value, "document")
    return caught.value.problems


def _pointers(model: type[Health | ExecuteRequest], value: Any) -> list[str]:
    return [problem.pointer for problem in _problems(model, value)]


def test_health_with_the_required_fields_alone_is_accepted() -> None:
    """OPS-HLT-002."""
    health = validate(Health, {"status": "ok", "module": "m", "version": "1"}, "health")
    assert (health.contract_versions, health.profiles, health.actions) == ((), (), ())


def test_health_that_declares_itself_is_accepted(health: dict[str, Any]) -> None:
    """OPS-HLT-005."""
    read = validate(Health, health, "health")
    assert (read.contract_versions, read.profiles, read.actions) == (("1.0",), ("artifacts",), ("execute",))


@pytest.mark.parametrize("field", ["status", "module", "version"])
@pytest.mark.parametrize("value", [None, "", 1, True])
def test_health_with_a_wrong_required_field_is_refused(health: dict[str, Any], field: str, value: Any) -> None:
    """OPS-HLT-002."""
    assert _pointers(Health, {**health, field: value}) == [f"/{field}"]


@pytest.mark.parametrize("field", ["status", "module", "version"])
def test_health_without_a_required_field_is_refused(health: dict[str, Any], field: str) -> None:
    """OPS-HLT-002."""
    del health[field]
    assert _problems(Health, health) == (Problem(f"/{field}", "is required"),)


@pytest.mark.parametrize(("field", "item"), [("contract_versions", "1"), ("profiles", None), ("actions", "../x")])
def test_health_with_a_wrong_item_is_refused_at_its_place(health: dict[str, Any], field: str, item: Any) -> None:
    health[field].append(item)
    assert _pointers(Health, health) == [f"/{field}/1"]


def test_health_with_unknown_fields_is_accepted(health: dict[str, Any]) -> None:
    assert validate(Health, {**health, "uptime_s": 3}, "health") == validate(Health, health, "health")


def test_request_is_read(execute_request: dict[str, Any]) -> None:
    read = validate(ExecuteRequest, execute_request, "request")
    assert read.options == Options(seed=42, deadline_s=60)
    assert read.upstream["policy-simulator"].outputs == {"kpis": {"gdp_growth": 0.02}}


def test_request_without_upstream_and_options_has_neither(execute_request: dict[str, Any]) -> None:
    del execute_request["upstream"], execute_request["options"]
    read = validate(ExecuteRequest, execute_request, "request")
    assert (read.upstream, read.options) == ({}, Options(seed=0, deadline_s=None))


@pytest.mark.parametrize("field", ["contract_version", "run_id", "step_id", "scenario_id", "action", "inputs"])
def test_request_without_a_required_field_is_refused(execute_request: dict[str, Any], field: str) -> None:
    """OPS-ERR-004."""
    del execute_request[field]
    assert _problems(ExecuteRequest, execute_request) == (Problem(f"/{field}", "is required"),)


@pytest.mark.parametrize(
    "field", ["contract_version", "run_id", "step_id", "scenario_id", "action", "inputs", "upstream", "options"]
)
def test_request_with_null_for_a_field_is_refused(execute_request: dict[str, Any], field: str) -> None:
    assert _pointers(ExecuteRequest, {**execute_request, field: None}) == [f"/{field}"]


@pytest.mark.parametrize("field", ["run_id", "step_id", "action"])
@pytest.mark.parametrize("value", ["../x", "a\x00", "x" * 300, "", "a/b"])
def test_request_with_a_hostile_identifier_is_refused(execute_request: dict[str, Any], field: str, value: str) -> None:
    """OPS-PTH-001."""
    assert _pointers(ExecuteRequest, {**execute_request, field: value}) == [f"/{field}"]


def test_request_with_unknown_fields_is_read_without_them(execute_request: dict[str, Any]) -> None:
    """OPS-FWD-001."""
    known = validate(ExecuteRequest, execute_request, "request")
    execute_request["options"]["later"] = execute_request["later"] = {"x": 1}
    assert validate(ExecuteRequest, execute_request, "request") == known


@pytest.mark.parametrize("seed", [0, 1, 2147483647, 7.0])
def test_request_with_a_seed_in_range_is_read(execute_request: dict[str, Any], seed: float) -> None:
    """OPS-DET-004."""
    assert validate(ExecuteRequest, {**execute_request, "options": {"seed": seed}}, "request").options.seed == seed


@pytest.mark.parametrize(
    "options", [{"seed": "1"}, {"seed": False}, {"seed": 1.5}, {"seed": None}, {"seed": -1}, {"seed": 2147483648}]
)
def test_request_with_another_seed_is_refused(execute_request: dict[str, Any], options: dict[str, Any]) -> None:
    """OPS-ERR-005."""
    assert _pointers(ExecuteRequest, {**execute_request, "options": options}) == ["/options/seed"]


@pytest.mark.parametrize("deadline_s", [0, -1, "60", True])
def test_request_with_a_deadline_that_is_none_is_refused(execute_request: dict[str, Any], deadline_s: Any) -> None:
    assert _pointers(ExecuteRequest, {**execute_request, "options": {"deadline_s": deadline_s}}) == ["/options/deadline_s"]


@pytest.mark.parametrize("deadline_s", [None, 60, 0.25])
def test_request_with_a_deadline_or_none_is_read(execute_request: dict[str, Any], deadline_s: float | None) -> None:
    read = validate(ExecuteRequest, {**execute_request, "options": {"deadline_s": deadline_s}}, "request")
    assert read.options.deadline_s == deadline_s


@pytest.mark.parametrize(
    ("step", "pointer"),
    [("../x", "/upstream/..~1x"), ("", "/upstream/"), ("a~b", "/upstream/a~0b"), ("[key]", "/upstream/[key]")],
)
def test_upstream_under_a_key_that_is_no_step_id_is_refused_at_the_key(
    execute_request: dict[str, Any], step: str, pointer: str
) -> None:
    execute_request["upstream"][step] = {"module": "m", "outputs": {}}
    assert _pointers(ExecuteRequest, execute_request) == [pointer]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"outputs": None}, "/outputs"),
        ({"module": "a b"}, "/module"),
        ({"artifacts": {}}, "/artifacts"),
        ({"artifacts": [{"name": "x"}]}, "/artifacts/0/media_type"),
        ({"evidence": [{"id": "e1", "kind": "k"}]}, "/evidence/0/title"),
    ],
)
def test_upstream_step_of_a_wrong_shape_is_refused_at_its_place(
    execute_request: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    execute_request["upstream"]["policy-simulator"].update(change)
    assert _pointers(ExecuteRequest, execute_request)[0] == f"/upstream/policy-simulator{pointer}"


def test_upstream_artifacts_come_without_their_bytes(execute_request: dict[str, Any], artifact: dict[str, Any]) -> None:
    execute_request["upstream"]["policy-simulator"]["artifacts"] = [artifact]
    read = validate(ExecuteRequest, execute_request, "request").upstream["policy-simulator"].artifacts[0]
    assert set(read.model_dump()) == {"name", "media_type", "size_bytes", "sha256"}


@pytest.mark.parametrize("scenario_id", ["", "x" * 201, 1])
def test_request_with_a_wrong_scenario_id_is_refused(execute_request: dict[str, Any], scenario_id: Any) -> None:
    assert _pointers(ExecuteRequest, {**execute_request, "scenario_id": scenario_id}) == ["/scenario_id"]


def test_request_with_a_thousand_wrong_keys_is_refused_in_a_short_message(execute_request: dict[str, Any]) -> None:
    """OPS-LIM-001."""
    execute_request["upstream"] = {f"/{index}": None for index in range(1_000)}
    with pytest.raises(ShapeError) as caught:
        validate(ExecuteRequest, execute_request, "request")
    assert (len(caught.value.problems), caught.value.problem_count >= 1_000) == (20, True)
    assert len(str(caught.value)) < 2_000
