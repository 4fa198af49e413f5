"""`POST /run_scenario`: a service from before the contract, as adapters meet it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from ops_contract import ContractError, parse_envelope
from ops_stubs.app import create_app
from ops_stubs.errors import BareError
from ops_stubs.figures import KPIS
from ops_stubs.policy_bare import RunScenario, run_scenario
from ops_stubs.policy_simulator import STUB

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]

BODY: dict[str, Any] = {
    "country": "DR",
    "sector": "all",
    "start_year": 2026,
    "end_year": 2030,
    "employer_payroll_tax_rate": 0.14,
    "employee_payroll_tax_rate": 0.07,
    "cit_rate": 0.27,
}


def answer(**changes: Any) -> dict[str, Any]:
    return run_scenario(RunScenario.model_validate(BODY | changes))


def test_run_scenario_answers_a_table_files_and_a_brief() -> None:
    found = answer()
    assert [row["indicator"] for row in found["kpi_table"]] == list(KPIS)
    assert found["artifacts"][0] == {"path": "do_all_2026_2030/kpis.csv", "kind": "table"}
    assert found["brief"].keys() == {"title", "text", "lang"}


def test_run_scenario_is_nothing_that_the_contract_knows() -> None:
    with pytest.raises(ContractError):
        parse_envelope(answer())


def test_run_scenario_with_the_rates_in_force_changes_nothing() -> None:
    assert all(row["baseline"] == row["scenario"] for row in answer()["kpi_table"])
    assert "no higher" in answer()["brief"]["text"]


def test_run_scenario_with_a_lower_payroll_tax_grows_faster() -> None:
    found = answer(employer_payroll_tax_rate=0.1)
    growth = found["kpi_table"][0]
    assert growth["scenario"] > growth["baseline"] > 1
    assert "growth is higher" in found["brief"]["text"]


def test_run_scenario_decides_by_its_seed() -> None:
    assert answer(seed=1) == answer(seed=1)
    assert answer(seed=1) != answer(seed=2)


@pytest.mark.parametrize(("timesteps", "years"), [(None, 5), (3, 3)])
def test_run_scenario_takes_its_length_from_timesteps_or_years(timesteps: int | None, years: int) -> None:
    assert answer(timesteps=timesteps)["scenario"]["years"] == years


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"country": "XX"}, 404),
        ({"end_year": 2020}, 400),
        ({"end_year": 2060}, 400),
        ({"timesteps": -1}, 400),
        ({"cit_rate": 5}, 400),
        ({"cit_rate": float("nan")}, 400),
    ],
    ids=str,
)
def test_run_scenario_that_makes_no_sense_is_refused(changes: dict[str, Any], status: int) -> None:
    with pytest.raises(BareError) as raised:
        answer(**changes)
    assert raised.value.status == status


@pytest.mark.anyio
async def test_run_scenario_over_http_coerces_and_complains_as_such_services_do(connect: Connect) -> None:
    async with connect(create_app(STUB)) as client:
        coerced = await client.post("/run_scenario", json=BODY | {"end_year": "2030"})
        incomplete = await client.post("/run_scenario", json={"country": "DR"})
        unknown = await client.post("/run_scenario", json=BODY | {"country": "XX"})
    assert (coerced.status_code, coerced.json()["note"]) == (200, "synthetic")
    assert (incomplete.status_code, incomplete.json()["detail"][0]["loc"]) == (422, ["body", "sector"])
    assert (unknown.status_code, unknown.json()) == (404, {"detail": "country not found: XX"})
