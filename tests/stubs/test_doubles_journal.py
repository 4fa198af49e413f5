"""What a test asks of a stub's journal: some of the requests, how many there were, and whether they were as expected."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from ops_stubs.app import create_app
from ops_stubs.catalogue import STUBS
from ops_stubs.faults import Faults

pytestmark = pytest.mark.anyio

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeBody = Callable[..., dict[str, Any]]


@pytest.fixture
async def client(connect: Connect, body: MakeBody) -> AsyncIterator[httpx2.AsyncClient]:
    """A stub that was asked four times: its health, for DR, for DO with a wrong action, and for nothing that is JSON."""
    async with connect(create_app(STUBS["data-layer"], faults=Faults())) as client:
        await client.get("/health")
        await client.post("/execute", json=body(), headers={"X-Colour": "blue"})
        await client.post("/execute", json=body(run_id="b", action="other", inputs={"country": "DO", "rate": 1.0}))
        await client.post("/execute", content=b"no JSON", headers={"Content-Type": "application/json"})
        yield client


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [1, 2, 3, 4]),
        ("path=/health", [1]),
        ("method=post", [2, 3, 4]),
        ("status=200", [1, 2]),
        ("status=400&method=POST", [4]),
        ("action=execute", [2]),
        ("pointer=/inputs/country", [2, 3]),
        ("pointer=/inputs/country&value=DO", [3]),
        ("pointer=/inputs/rate&value=1", [3]),
        ("since=2", [3, 4]),
        ("since=2&path=/health", []),
    ],
)
async def test_journal_gives_and_counts_the_requests_that_are_asked_for(
    client: httpx2.AsyncClient, query: str, numbers: list[int]
) -> None:
    found = (await client.get(f"/__stub/requests?{query}")).json()["requests"]
    counted = (await client.get(f"/__stub/requests/count?{query}")).json()
    assert ([entry["number"] for entry in found], counted) == (numbers, {"count": len(numbers), "forgotten": 0})


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("paht=/health", "/paht: is not a known field; did you mean 'path'?"),
        ("status=ok", "/status: must be an integer, not 'ok'"),
        ("since=-1", "/since"),
        ("pointer=inputs", "/pointer"),
        ("value=DR", "has a value and no pointer"),
    ],
)
async def test_query_that_makes_no_sense_is_refused(client: httpx2.AsyncClient, query: str, sentence: str) -> None:
    for path in ("/__stub/requests", "/__stub/requests/count"):
        answer = await client.get(f"{path}?{query}")
        assert (answer.status_code, sentence in answer.json()["detail"]) == (422, True), answer.text


async def verify(client: httpx2.AsyncClient, **asked: Any) -> tuple[int, dict[str, Any]]:
    answer = await client.post("/__stub/verify", json=asked)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"match": {"action": "execute"}, "times": 1},
        {"match": {"path": "/health", "method": "GET"}, "at_least": 1, "at_most": 1},
        {"match": {"inputs": {"/country": {"matches": "D[OR]"}}}, "times": 2},
        {"match": {"inputs": {"/country": "XX"}}, "times": 0},
        {"match": {"inputs": {"/country": "XX"}}, "at_most": 3},
    ],
    ids=str,
)
async def test_verification_of_what_came_is_200_with_the_count(client: httpx2.AsyncClient, asked: dict[str, Any]) -> None:
    status, verdict = await verify(client, **asked)
    assert (status, verdict["count"]) == (200, len(verdict["matching"]))


async def test_verification_that_fails_says_what_came_instead(client: httpx2.AsyncClient) -> None:
    match = {"inputs": {"/country": "DR", "/time_horizon_years": 7}, "headers": {"x-colour": "blue"}}
    status, verdict = await verify(client, match=match)
    assert status == 422
    assert verdict["detail"] == (
        "expected at least 1 request, got 0; the nearest is request 2, POST /execute, which differs at "
        "/inputs/time_horizon_years (expected 7, got 5)"
    )
    assert verdict["nearest"]["request"]["number"] == 2
    assert verdict["nearest"]["differences"] == [{"where": "/inputs/time_horizon_years", "expected": 7, "actual": 5}]


async def test_verification_that_fails_because_of_too_many_names_them(client: httpx2.AsyncClient) -> None:
    status, verdict = await verify(client, times=2)
    assert (status, verdict["detail"]) == (422, "expected 2 requests, got 3: requests 2, 3, 4")


async def test_verification_of_a_stub_that_was_not_asked_says_so(client: httpx2.AsyncClient) -> None:
    await client.post("/__stub/reset")
    assert (await verify(client))[1]["detail"] == "expected at least 1 request, got 0; no other request came"


async def test_verification_is_not_certain_of_requests_that_are_forgotten(client: httpx2.AsyncClient) -> None:
    for _ in range(200):
        await client.get("/health")
    health = {"path": "/health"}
    verdicts = [await verify(client, match=health, at_least=200), await verify(client, match=health, times=200)]
    assert [status for status, _ in verdicts] == [200, 422]
    assert "4 requests before these are forgotten" in verdicts[1][1]["detail"]


async def test_verification_of_a_body_that_is_not_kept_whole_says_so(client: httpx2.AsyncClient, body: MakeBody) -> None:
    await client.post("/__stub/reset")
    await client.post("/execute", json=body(inputs={"country": "DR", "long": "x" * 70_000}))
    status, verdict = await verify(client, match={"inputs": {"/country": "DR"}})
    assert (status, "only the beginning of its body is kept" in verdict["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"times": -1}, "/times"),
        ({"times": 1, "at_most": 2}, "either times, or at_least and at_most"),
        ({"at_least": 2, "at_most": 1}, "at least 2 and at most 1"),
        ({"match": {"path": "/health", "colour": 1}}, "/match/colour: is not a known field"),
    ],
    ids=str,
)
async def test_verification_that_makes_no_sense_is_refused(
    client: httpx2.AsyncClient, asked: dict[str, Any], sentence: str
) -> None:
    status, verdict = await verify(client, **asked)
    assert (status, sentence in verdict["detail"]) == (422, True), verdict
