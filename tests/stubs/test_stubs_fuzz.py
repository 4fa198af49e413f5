"""No input whatever makes a stub fail (OPS-ERR-006): 4xx with an envelope, or 200 with one."""

import asyncio
import json
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops_contract import SuccessEnvelope, parse_envelope, parse_json, violations
from ops_stubs.app import create_app
from ops_stubs.catalogue import STUBS

# Those that draw are slow to call and read their inputs with the same function as the rest.
QUICK = ["data-layer", "dr-anticorruption", "strategy-agent", "monitor"]

scalars = st.none() | st.booleans() | st.integers(-(2**54), 2**54) | st.floats(allow_nan=False) | st.text(max_size=20)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6
)
names = st.sampled_from(
    ["kpis", "baseline", "change", "policy", "country", "overall", "drivers", "entities", "vat_rate"]
) | st.text(max_size=5)
outputs = st.dictionaries(names, values | st.dictionaries(names, values, max_size=3), max_size=4)
steps = st.fixed_dictionaries(
    {"module": st.sampled_from([*STUBS, "another"]), "outputs": outputs},
    optional={
        "evidence": st.lists(
            st.fixed_dictionaries(
                {"id": st.text(min_size=1), "kind": st.just("k"), "title": st.text(min_size=1)},
                optional={"supports": st.lists(st.sampled_from(["", "/kpis", "/kpis/0", "/-", "/~1", "/01"]), max_size=2)},
            ),
            max_size=2,
        )
    },
)
bodies = st.fixed_dictionaries(
    {
        "contract_version": st.just("1.0"),
        "run_id": st.just("r"),
        "step_id": st.just("s"),
        "scenario_id": st.just("x"),
        "action": st.just("execute"),
        "inputs": st.dictionaries(
            st.sampled_from(["country", "sector", "x"]), values | st.sampled_from(["DR", "CO"]), max_size=3
        ),
    },
    optional={
        "upstream": st.dictionaries(st.sampled_from(["a", "b", "c-1"]), steps, max_size=3),
        "options": st.fixed_dictionaries({}, optional={"seed": st.integers(0, 2**31 - 1) | scalars}),
    },
)


def answer(name: str, raw: bytes) -> httpx2.Response:
    """What a fresh stub answers to `raw`."""

    async def call() -> httpx2.Response:
        transport = httpx2.ASGITransport(create_app(STUBS[name]))
        async with httpx2.AsyncClient(transport=transport, base_url="http://stub") as client:
            return await client.post("/execute", content=raw, headers={"Content-Type": "application/json"})

    return asyncio.run(call())


def check(name: str, response: httpx2.Response) -> None:
    """A well-formed envelope that agrees with its status, and no failure of the module."""
    envelope = parse_envelope(parse_json(response.content))
    assert response.status_code < 500
    assert (response.status_code == 200) == isinstance(envelope, SuccessEnvelope)
    if isinstance(envelope, SuccessEnvelope):
        assert violations(envelope, module=name) == ()


@pytest.mark.parametrize("name", QUICK)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=bodies)
def test_execute_of_any_well_shaped_body_does_not_fail(name: str, body: dict[str, Any]) -> None:
    check(name, answer(name, json.dumps(body).encode()))


@settings(max_examples=15, deadline=None)
@given(value=values)
def test_execute_of_any_json_value_does_not_fail(value: object) -> None:
    check("monitor", answer("monitor", json.dumps(value).encode()))


@settings(max_examples=15, deadline=None)
@given(raw=st.binary(max_size=60))
def test_execute_of_any_bytes_does_not_fail(raw: bytes) -> None:
    response = answer("monitor", raw)
    check("monitor", response)
    assert response.status_code in {400, 422}


@settings(max_examples=15, deadline=None)
@given(country=values, years=values, parameters=values, sector=values)
@pytest.mark.parametrize("name", ["policy-simulator", "supplychain-risk"])
def test_execute_of_any_inputs_does_not_fail(
    name: str, country: object, years: object, parameters: object, sector: object
) -> None:
    inputs = {"country": country, "time_horizon_years": years, "policy_parameters": parameters, "sector": sector}
    body = {"contract_version": "1.0", "run_id": "r", "step_id": "s", "scenario_id": "x", "action": "execute", "inputs": inputs}
    check(name, answer(name, json.dumps(body).encode()))
