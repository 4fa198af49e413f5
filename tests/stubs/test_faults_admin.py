"""The admin API below `/__stub`: staging, the journal, resetting, and where it is not served."""

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

NOTHING: dict[str, list[Any]] = {"violate": [], "faults": []}


@pytest.fixture
async def client(connect: Connect) -> AsyncIterator[httpx2.AsyncClient]:
    async with connect(create_app(STUBS["monitor"], faults=Faults())) as client:
        yield client


async def requests(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/__stub/requests")).json()["requests"]
    return found


@pytest.mark.parametrize("path", ["/__stub/faults", "/__stub/requests", "/__stub/reset", "/__stub"])
async def test_admin_of_a_stub_without_faults_is_not_served(connect: Connect, path: str) -> None:
    async with connect(create_app(STUBS["monitor"])) as client:
        answers = [await client.get(path), await client.post(path)]
    assert [answer.status_code for answer in answers] == [404, 404]


async def test_faults_that_are_put_act_until_they_are_deleted(client: httpx2.AsyncClient, body: MakeBody) -> None:
    staged = await client.put("/__stub/faults", json={"violate": ["ops-exe-002"]})
    named = [(await client.post("/execute", json=body(run_id="a"))).json()["module"]]
    cleared = await client.delete("/__stub/faults")
    named.append((await client.post("/execute", json=body(run_id="b"))).json()["module"])
    assert (staged.json()["violate"], cleared.json(), named) == (["OPS-EXE-002"], NOTHING, ["monitor-other", "monitor"])


async def test_a_fault_that_is_put_again_counts_from_the_first_request(client: httpx2.AsyncClient) -> None:
    statuses = []
    for _ in range(2):
        await client.put("/__stub/faults", json={"faults": ["status:code=503,first=1,path=/health"]})
        statuses += [(await client.get("/health")).status_code for _ in range(2)]
    assert statuses == [503, 200, 503, 200]


async def test_faults_that_are_listed_can_be_put_again(client: httpx2.AsyncClient) -> None:
    await client.put(
        "/__stub/faults", json={"faults": ["latency:ms=5,first=2", {"kind": "hang", "path": "/health", "skip": 9}]}
    )
    listed = (await client.get("/__stub/faults")).json()
    again = (await client.put("/__stub/faults", json=listed)).json()
    latency = {"kind": "latency", "ms": 5.0, "jitter": 0.0, "seed": 0, "path": "/execute", "skip": 0, "first": 2}
    assert again == listed == {"violate": [], "faults": [latency, {"kind": "hang", "path": "/health", "skip": 9}]}


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (b"{", "is not JSON"),
        (b"[]", "must be an object"),
        (b'{"violates": []}', "this has violates"),
        (b'{"violate": "OPS-ART-003"}', "must be a list"),
        (b'{"violate": ["OPS-ART-0003"]}', "did you mean 'OPS-ART-003'?"),
        (b'{"violate": ["OPS-CTR-003"]}', "only be staged when the stub is started"),
        (b'{"faults": {}}', "must be a list"),
        (b'{"faults": [7]}', "must be a string"),
        (b'{"faults": ["latancy"]}', "did you mean 'latency'?"),
        (b'{"faults": [{"kind": "latency", "ms": "soon"}]}', "ms must be a number"),
        (b'{"x": "%s"}' % (b"x" * 2**20), "larger than"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_faults_that_cannot_be_staged_are_422_and_change_nothing(
    client: httpx2.AsyncClient, sent: bytes, sentence: str
) -> None:
    await client.put("/__stub/faults", json={"violate": ["OPS-EXE-002"]})
    answer = await client.put("/__stub/faults", content=sent)
    assert (answer.status_code, list(answer.json())) == (422, ["detail"])
    assert sentence in answer.json()["detail"]
    assert (await client.get("/__stub/faults")).json()["violate"] == ["OPS-EXE-002"]


async def test_journal_of_a_request_says_what_was_sent_and_what_acted(client: httpx2.AsyncClient, body: MakeBody) -> None:
    await client.put("/__stub/faults", json={"violate": ["OPS-EXE-002", "OPS-ERR-003"], "faults": ["latency:ms=0"]})
    await client.post("/execute", json=body(), headers={"X-Colour": "blue"})
    (entry,) = await requests(client)
    assert (entry["number"], entry["method"], entry["path"], entry["status"]) == (1, "POST", "/execute", 200)
    assert entry["acted"] == ["latency", "OPS-EXE-002"]
    assert (entry["headers"]["x-colour"], '"the-step"' in entry["body"], entry["body_truncated"]) == ("blue", True, False)


async def test_journal_names_violations_that_act_on_an_execution(client: httpx2.AsyncClient, body: MakeBody) -> None:
    await client.put("/__stub/faults", json={"violate": ["OPS-EVD-001", "OPS-DET-004"]})
    await client.post("/execute", json=body())
    await client.post("/execute", json=body(run_id="b", options={"seed": 2147483647}))
    assert [entry["acted"] for entry in await requests(client)] == [["OPS-EVD-001"], ["OPS-DET-004"]]


async def test_journal_keeps_no_secrets(client: httpx2.AsyncClient) -> None:
    secret = {"Authorization": "Bearer 1234", "Cookie": "a=1234", "X-Api-Key": "1234", "X-Auth-Token": "1234"}
    await client.get("/health", headers=secret)
    (entry,) = await requests(client)
    assert "1234" not in str(entry)
    assert [entry["headers"][name.lower()] for name in secret] == ["[removed]"] * 4


async def test_journal_keeps_the_beginning_of_a_large_body(client: httpx2.AsyncClient) -> None:
    await client.post("/execute", content=b"x" * 100_000)
    (entry,) = await requests(client)
    assert (len(entry["body"]), entry["body_truncated"], entry["status"]) == (65_536, True, 415)


async def test_journal_keeps_the_last_two_hundred_requests(client: httpx2.AsyncClient) -> None:
    for _ in range(203):
        await client.get("/health")
    numbers = [entry["number"] for entry in await requests(client)]
    assert numbers == list(range(4, 204))


async def test_reset_forgets_journal_faults_and_kept_answers(client: httpx2.AsyncClient, body: MakeBody) -> None:
    await client.put("/__stub/faults", json={"violate": ["OPS-IDM-001"]})
    await client.post("/execute", json=body())
    assert (await client.post("/__stub/reset")).json() == NOTHING
    assert await requests(client) == []
    # The key is free again: with the answer kept, another body would be 422.
    assert (await client.post("/execute", json=body(options={"seed": 1}))).status_code == 200


async def test_a_request_that_matched_nothing_is_told_the_nearest_path(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/exceute", json={})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["details"]) == (404, "NOT_FOUND", {"nearest_path": "/execute"})
    assert error["message"].endswith("the nearest path is /execute")
    assert [entry["nearest_path"] for entry in await requests(client)] == ["/execute"]


async def test_an_artifact_that_is_not_kept_is_no_misspelt_path(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/artifacts/a/b/c")
    assert (answer.status_code, "nearest" in answer.text) == (404, False)


async def test_admin_at_an_unknown_path_says_what_there_is(client: httpx2.AsyncClient) -> None:
    answers = [await client.get("/__stub/fault"), await client.post("/__stub/faults")]
    assert [answer.status_code for answer in answers] == [404, 405]
    assert all("GET, PUT, DELETE /__stub/faults" in answer.json()["detail"] for answer in answers)


async def test_an_admin_request_is_not_in_the_journal(client: httpx2.AsyncClient) -> None:
    await client.get("/__stub/faults")
    assert await requests(client) == []
