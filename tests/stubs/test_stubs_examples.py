"""The examples and the README: every one runs, and says what is there."""

import functools
import json
import runpy
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from ops_contract import SuccessEnvelope, parse_envelope, violations
from ops_stubs.app import create_app
from ops_stubs.catalogue import STUBS
from ops_stubs.inputs import read_inputs
from ops_stubs.module import Result, Stub
from ops_stubs.policy_simulator import PolicyInputs

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeBody = Callable[..., dict[str, Any]]
RunAll = Callable[..., dict[str, Result]]

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ["plan_and_execute.request", "baseline", "vat-raised", "vat-lowered", "other-country", "all-modules"]
SEED_EXAMPLE = {
    "scenario_id": "demo-scenario-001",
    "modules": ["policy-simulator", "strategy-agent"],
    "inputs": {"country": "DR", "time_horizon_years": 5, "policy_parameters": {"vat_rate": 0.18}},
    "run_options": {"seed": 42, "save_artifacts": True},
}


def example(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text())
    return content


@pytest.mark.parametrize("name", NAMES)
def test_example_has_the_form_of_the_seed(name: str) -> None:
    request = example(name)
    assert request.keys() == SEED_EXAMPLE.keys()
    assert request["run_options"].keys() == {"seed", "save_artifacts"}
    assert set(request["modules"]) <= STUBS.keys()


@pytest.fixture(scope="module")
def results(run_all: RunAll) -> Callable[[str], dict[str, Result]]:
    """What the modules of an example find, and after them all other stubs; each example runs once."""

    @functools.cache
    def run(name: str) -> dict[str, Result]:
        request = example(name)
        others = [stub for stub in STUBS if stub not in request["modules"]]
        return run_all(request["inputs"], [*request["modules"], *others], request["run_options"]["seed"])

    return run


@pytest.mark.parametrize("name", NAMES)
def test_example_runs_through_its_modules_and_suits_every_other_stub(
    name: str, results: Callable[[str], dict[str, Result]]
) -> None:
    """All modules of a run get the same inputs, so none may stumble over those of another."""
    found = results(name)
    assert found.keys() == STUBS.keys()
    assert all(result.outputs for result in found.values())


def test_example_of_the_seed_is_the_seed() -> None:
    assert example("plan_and_execute.request") == SEED_EXAMPLE


def test_example_of_the_seed_notes_in_its_brief_what_was_not_looked_at(run_all: RunAll) -> None:
    brief = run_all(SEED_EXAMPLE["inputs"], SEED_EXAMPLE["modules"])["strategy-agent"].artifacts[0].content.decode()
    assert brief.count("not looked at in this run") == 2


@pytest.mark.parametrize("name", NAMES)
def test_example_gives_no_warning(name: str, results: Callable[[str], dict[str, Result]]) -> None:
    assert [results(name)[module].warnings for module in example(name)["modules"]] == [() for _ in example(name)["modules"]]


def test_example_with_all_modules_runs_them_in_the_order_of_the_catalogue(raised: dict[str, Result]) -> None:
    assert example("all-modules")["modules"] == list(STUBS) == list(raised)


def test_examples_of_vat_differ_from_the_baseline_in_the_rate_alone() -> None:
    rates = {}
    for name in ("baseline", "vat-raised", "vat-lowered"):
        request = example(name)
        rates[name] = request["inputs"]["policy_parameters"].pop("vat_rate")
        request.pop("scenario_id")
        assert request | {"inputs": {**request["inputs"], "policy_parameters": {}}} == request
    assert rates["vat-lowered"] < rates["baseline"] < rates["vat-raised"]


def test_examples_of_vat_lead_to_different_advice(results: Callable[[str], dict[str, Result]]) -> None:
    found = [results(name)["strategy-agent"].outputs for name in ("baseline", "vat-raised", "vat-lowered")]
    assert len({outputs["recommendation"] for outputs in found}) == 3


@pytest.mark.parametrize("stub", STUBS.values(), ids=list(STUBS))
def test_readme_describes_every_stub_with_its_artifacts(stub: Stub, raised: dict[str, Result], repository: Path) -> None:
    lines = (repository / "stubs/README.md").read_text().splitlines()
    row = next(line for line in lines if line.startswith(f"| `{stub.name}` |"))
    assert all(f"`{file.name}`" in row for file in raised[stub.name].artifacts)
    assert all(f"`POST {path}`" in "\n".join(lines) or f"`{path}`" in "\n".join(lines) for path in stub.bare)


def test_readme_names_every_parameter_of_the_simulator(repository: Path) -> None:
    readme = (repository / "stubs/README.md").read_text()
    parameters = read_inputs(PolicyInputs, {"country": "DR"}).policy_parameters
    assert all(f"`{name}`" in readme for name in type(parameters).model_fields)


@pytest.fixture(scope="module")
def own_stub(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Stub:
    """The stub that the README shows how to write."""
    code = (repository / "stubs/README.md").read_text().partition("```python\n")[2].partition("```")[0]
    file = tmp_path_factory.mktemp("own") / "my_module.py"
    file.write_text(code)
    stub = runpy.run_path(str(file))["STUB"]
    assert isinstance(stub, Stub)
    return stub


@pytest.mark.anyio
async def test_readme_stub_is_a_module_of_the_contract(own_stub: Stub, connect: Connect, body: MakeBody) -> None:
    async with connect(create_app(own_stub)) as client:
        health = (await client.get("/health")).json()
        answer = (await client.post("/execute", json=body(inputs={"question_count": 2}))).json()
    envelope = parse_envelope(answer)
    assert isinstance(envelope, SuccessEnvelope)
    assert (health["module"], envelope.outputs, violations(envelope, module="my-module")) == ("my-module", {"answer": 84}, ())


@pytest.mark.anyio
@pytest.mark.parametrize("count", ["2", -1, 1.5, None])
async def test_readme_stub_refuses_inputs_with_a_pointer(
    own_stub: Stub, connect: Connect, body: MakeBody, count: object
) -> None:
    async with connect(create_app(own_stub)) as client:
        answer = await client.post("/execute", json=body(inputs={"question_count": count}))
    assert (answer.status_code, answer.json()["error"]["pointer"]) == (422, "/inputs/question_count")


def test_catalogue_knows_every_stub_by_its_own_name() -> None:
    assert all(name == stub.name for name, stub in STUBS.items())
    assert len(STUBS) == 6
