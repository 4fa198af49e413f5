"""Details of the endpoints: HEAD, headers, bare neighbours, and what an error says."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from ops_stubs.app import create_app
from ops_stubs.catalogue import STUBS
from ops_stubs.responses import json_response

pytestmark = pytest.mark.anyio

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeBody = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")], ids=str)
async def test_json_response_of_a_number_that_is_none_raises(value: float) -> None:
    """OPS-EXE-004."""
    with pytest.raises(ValueError, match="JSON compliant"):
        json_response({"value": value})


async def test_json_response_keeps_text_as_it_is() -> None:
    assert json_response({"name": "Perú"}).body == '{"name":"Perú"}'.encode()


@pytest.mark.parametrize("path", ["/health", "/openapi.json"])
async def test_head_answers_like_get(connect: Connect, path: str) -> None:
    async with connect(create_app(STUBS["monitor"])) as client:
        head, get = await client.head(path), await client.get(path)
    assert (head.status_code, head.headers["content-length"]) == (200, get.headers["content-length"])


async def test_artifact_is_served_as_what_it_is_and_nothing_else(connect: Connect, body: MakeBody) -> None:
    async with connect(create_app(STUBS["data-layer"])) as client:
        href = (await client.post("/execute", json=body())).json()["artifacts"][0]["href"]
        get, head = await client.get(f"/{href}"), await client.head(f"/{href}")
    assert href == f"artifacts/{body()['run_id']}/{body()['step_id']}/indicators.csv"
    assert get.headers["content-type"].startswith("text/csv")
    assert get.headers["x-content-type-options"] == "nosniff"
    assert head.headers["content-length"] == str(len(get.content))


async def test_execute_with_inputs_that_make_no_sense_is_422_with_a_pointer_into_the_body(
    connect: Connect, body: MakeBody
) -> None:
    """OPS-ERR-004, OPS-ERR-005."""
    async with connect(create_app(STUBS["policy-simulator"])) as client:
        answer = await client.post("/execute", json=body(inputs={"country": "DR", "time_horizon_years": 99}))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["retryable"]) == (422, "INVALID_INPUT", False)
    assert error["pointer"] == "/inputs/time_horizon_years"
    assert "from 1 to 30, not 99" in error["message"]


async def test_execute_with_corrected_inputs_succeeds_under_the_same_key(connect: Connect, body: MakeBody) -> None:
    """OPS-ERR-009."""
    async with connect(create_app(STUBS["data-layer"])) as client:
        answers = [await client.post("/execute", json=body(inputs={"country": country})) for country in ("XX", "DR")]
    assert [answer.status_code for answer in answers] == [422, 200]


async def test_execute_says_how_long_it_took_in_meta_alone(connect: Connect, body: MakeBody) -> None:
    async with connect(create_app(STUBS["monitor"])) as client:
        envelope = (await client.post("/execute", json=body())).json()
    assert envelope["meta"].keys() == {"duration_ms"}
    assert envelope["meta"]["duration_ms"] >= 0


@pytest.mark.parametrize(
    ("name", "path", "sent", "field"),
    [
        ("supplychain-risk", "/score", {"iso": "DR", "industry": "tourism"}, "breakdown"),
        ("dr-anticorruption", "/risk", {"institution": "all", "top": "2"}, "data"),
    ],
)
async def test_bare_endpoint_answers_without_an_envelope(
    connect: Connect, name: str, path: str, sent: dict[str, Any], field: str
) -> None:
    async with connect(create_app(STUBS[name])) as client:
        answer = await client.post(path, json=sent)
        elsewhere = await client.post("/another", json=sent)
    assert answer.status_code == 200
    assert field in answer.json()
    assert not {"status", "module", "outputs"} & answer.json().keys()
    assert elsewhere.status_code == 404


async def test_bare_endpoint_with_an_unreadable_body_complains_in_its_own_way(connect: Connect) -> None:
    async with connect(create_app(STUBS["supplychain-risk"])) as client:
        answer = await client.post("/score", json={"industry": "all"})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "iso"])
