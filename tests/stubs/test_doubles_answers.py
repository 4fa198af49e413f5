"""Answers that a test stages: which request gets which, what is made of them, and what cannot be staged."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from ops_contract import parse_envelope
from ops_stubs.app import create_app
from ops_stubs.catalogue import STUBS
from ops_stubs.faults import Faults

pytestmark = pytest.mark.anyio

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeBody = Callable[..., dict[str, Any]]

ANSWERS = "/__stub/answers"
DR = {"country": "DR"}
DO = {"country": "DO"}


@pytest.fixture
async def client(connect: Connect) -> AsyncIterator[httpx2.AsyncClient]:
    async with connect(create_app(STUBS["data-layer"], faults=Faults())) as client:
        yield client


async def stage(client: httpx2.AsyncClient, *answers: dict[str, Any]) -> None:
    answer = await client.put(ANSWERS, json={"answers": answers})
    assert answer.status_code == 200, answer.text


def says(value: Any, **fields: Any) -> dict[str, Any]:
    return {"outputs": {"says": value}, **fields}


async def test_answer_is_a_valid_envelope_with_files_evidence_and_warnings(client: httpx2.AsyncClient, body: MakeBody) -> None:
    files = [
        {"name": "a.txt", "media_type": "text/plain", "text": "of {{ inputs.country }}"},
        {"name": "b.json", "media_type": "application/json", "json": {"years": "{{ inputs.time_horizon_years }}"}},
        {"name": "c.png", "media_type": "image/png", "base64": "iVBORw0=", "by_href": True},
    ]
    evidence = [{"id": "e", "kind": "dataset", "title": "{{ action }}", "supports": ["/says"], "synthetic": True}]
    await stage(client, says(1, artifacts=files, evidence=evidence, warnings=["about {{ inputs.country }}"]))
    answer = await client.post("/execute", json=body(), headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    envelope = answer.json()
    parse_envelope(envelope)
    assert (answer.status_code, envelope["outputs"], envelope["warnings"]) == (200, {"says": 1}, ["about DR"])
    assert (envelope["evidence"][0]["title"], envelope["meta"]["trace_id"]) == ("execute", "a" * 32)
    assert [file.get("text") for file in envelope["artifacts"]] == ["of DR", '{\n  "years": 5\n}', None]
    fetched = await client.get(f"/{envelope['artifacts'][2]['href']}")
    assert (fetched.content, fetched.headers["content-type"]) == (base64.b64decode("iVBORw0="), "image/png")


@pytest.mark.parametrize(
    ("match", "fits", "fits_not"),
    [
        ({"action": "execute"}, {}, None),
        ({"seed": 42}, {}, {"options": {"seed": 43}}),
        ({"headers": {"X-Colour": {"matches": "bl(ue|ack)"}}}, {}, None),
        ({"inputs": {"/country": "DR"}}, {}, {"inputs": DO}),
        ({"inputs": {"": {"equals": DR}}}, {"inputs": DR}, {"inputs": DR | {"more": 1}}),
        ({"inputs": {"/rate": 1}}, {"inputs": DR | {"rate": 1.0}}, {"inputs": DR | {"rate": True}}),
        ({"inputs": {"/rate": None}}, {"inputs": DR | {"rate": None}}, {"inputs": DR}),
        ({"inputs": {"/rate": {"absent": True}}}, {}, {"inputs": DR | {"rate": None}}),
        ({"inputs": {"/rate": {"absent": False}}}, {"inputs": DR | {"rate": None}}, {}),
        ({"inputs": {"/country": {"matches": "D."}}}, {}, {"inputs": {"country": "DOM"}}),
        ({"inputs": {"/country": {"matches": "DO|DR"}}}, {}, {"inputs": {"country": "DRO"}}),
        ({"inputs": {"/country": {"matches": "\\d+"}}}, {"inputs": {"country": "12"}}, {"inputs": {"country": 12}}),
        ({"inputs": {"/note": {"matches": "x*"}}}, {"inputs": {"note": "x" * 2_000}}, {"inputs": {"note": "x" * 2_001}}),
        ({"body": {"/upstream/a/outputs/b": 7}}, None, {}),
    ],
    ids=str,
)
async def test_answer_is_given_to_the_requests_that_match_and_to_no_others(
    client: httpx2.AsyncClient,
    body: MakeBody,
    match: dict[str, Any],
    fits: dict[str, Any] | None,
    fits_not: dict[str, Any] | None,
) -> None:
    await stage(client, {"match": match, "status": 299})
    for fields, expected in ((fits, True), (fits_not, False)):
        if fields is not None:
            answer = await client.post("/execute", json=body(**fields), headers={"X-Colour": "blue"})
            assert (answer.status_code == 299) is expected, answer.text


async def test_answer_with_the_smallest_priority_is_given_and_of_equals_the_first(
    client: httpx2.AsyncClient, body: MakeBody
) -> None:
    await stage(
        client,
        says("all", priority=9),
        says("first", match={"inputs": {"/country": "DR"}}),
        says("second", match={"inputs": {"/country": "DR"}}),
        says("important", priority=1, match={"seed": 7}),
    )
    asked = [body(run_id="a"), body(run_id="b", options={"seed": 7}), body(run_id="c", inputs=DO)]
    said = [(await client.post("/execute", json=each)).json()["outputs"]["says"] for each in asked]
    assert said == ["first", "important", "all"]
    added = await client.post(ANSWERS, json=says("added"))
    assert [answer["outputs"]["says"] for answer in added.json()["answers"]][:2] == ["added", "all"]
    assert (await client.post("/execute", json=body(run_id="d"))).json()["outputs"] == {"says": "added"}


async def test_template_that_is_the_whole_text_keeps_the_type_and_one_among_others_is_text(
    client: httpx2.AsyncClient, body: MakeBody
) -> None:
    inputs = {"country": "DR", "a/b": {"c.d": [1, {"e": None}]}, "text": "{{ action }}"}
    outputs = {
        "whole": "{{ /inputs/a~1b }}",
        "part": "{{inputs.country}} in {{ /inputs/a~1b/c.d }} for {{ options.seed }}",
        "header": "{{ request.headers.x-colour }} {{ request.method }}",
        "twice": "{{ inputs.text }}",
    }
    await stage(client, {"outputs": outputs})
    answer = await client.post("/execute", json=body(inputs=inputs), headers={"X-Colour": "blue"})
    assert answer.json()["outputs"] == {
        "whole": {"c.d": [1, {"e": None}]},
        "part": 'DR in [1, {"e": null}] for 42',
        "header": "blue POST",
        "twice": "{{ action }}",
    }


async def test_template_takes_a_value_that_is_not_too_large(client: httpx2.AsyncClient, body: MakeBody) -> None:
    await stage(client, {"status": 200, "body": ["{{ inputs.note }}", "{{ inputs.note }}"]})
    small, large = [await client.post("/execute", json=body(inputs={"note": "x" * n})) for n in (65_000, 66_000)]
    assert (len(small.json()[1]), large.status_code, "larger than" in large.text) == (65_000, 500, True)


@pytest.mark.parametrize("answer", [says("{{ inputs.nowhere }}"), {"status": 200, "body": ["{{ inputs.nowhere }}"]}], ids=str)
async def test_template_without_a_value_is_said_in_an_envelope(
    client: httpx2.AsyncClient, body: MakeBody, answer: dict[str, Any]
) -> None:
    await stage(client, answer)
    got = await client.post("/execute", json=body())
    error = got.json()["error"]
    assert (got.status_code, error["code"], error["pointer"]) == (500, "ANSWER_NOT_MADE", "/inputs/nowhere")
    assert "{{ inputs.nowhere }}" in error["message"]


async def test_answer_of_http_is_sent_as_it_is(client: httpx2.AsyncClient, body: MakeBody) -> None:
    await stage(
        client,
        {"match": {"path": "/health"}, "status": 200, "body": "up, says {{ request.path }}", "headers": {"X-A": "b"}},
        {"match": {"path": {"matches": "/file/\\d+"}, "method": "GET"}, "status": 201, "base64": "AAE="},
        {"status": 429, "body": {"asked": "{{ inputs.country }}"}, "headers": {"Retry-After": "0"}},
    )
    health, file = await client.get("/health"), await client.get("/file/12")
    busy, other = await client.post("/execute", json=body()), await client.get("/file/x")
    assert (health.text, health.headers["x-a"], health.headers["content-type"][:10]) == ("up, says /health", "b", "text/plain")
    assert (file.status_code, file.content) == (201, b"\0\1")
    assert (busy.status_code, busy.json(), busy.headers["retry-after"]) == (429, {"asked": "DR"}, "0")
    assert other.status_code == 404


async def test_scenario_goes_from_state_to_state_and_begins_again_with_a_reset(
    client: httpx2.AsyncClient, body: MakeBody
) -> None:
    steps = [
        {"scenario": "warm-up", "when_state": "started", "then_state": "warm", "status": 503},
        says("warm", scenario="warm-up", when_state="warm", then_state="hot"),
        says("hot", scenario="warm-up", when_state="hot"),
    ]
    for _ in range(2):
        await stage(client, *steps)
        answers = [await client.post("/execute", json=body(run_id=f"run{number}")) for number in range(4)]
        assert [answer.status_code for answer in answers] == [503, 200, 200, 200]
        assert [answer.json()["outputs"]["says"] for answer in answers[1:]] == ["warm", "hot", "hot"]
        listed = (await client.get(ANSWERS)).json()
        assert (listed["states"], (await client.put(ANSWERS, json=listed)).json()) == ({"warm-up": "hot"}, listed)
        await client.post("/__stub/reset")
    assert (await client.get(ANSWERS)).json() == {"answers": []}


async def test_repeated_call_gets_the_same_answer_and_moves_no_scenario_on(client: httpx2.AsyncClient, body: MakeBody) -> None:
    """OPS-IDM-001."""
    await stage(
        client,
        says("one", scenario="s", when_state="started", then_state="next"),
        says("two", scenario="s", when_state="next", then_state="last"),
    )
    asked = [body(run_id=name) for name in ("a", "a", "b", "a")]
    said = [(await client.post("/execute", json=each)).json()["outputs"]["says"] for each in asked]
    assert (said, (await client.get(ANSWERS)).json()["states"]) == (["one", "one", "two", "one"], {"s": "last"})


async def test_request_that_is_not_valid_is_refused_whatever_is_staged(client: httpx2.AsyncClient, body: MakeBody) -> None:
    """OPS-ERR-004, OPS-EXE-005."""
    await stage(client, says("{{ inputs.country }}"))
    sent: list[dict[str, Any]] = [{"content": b"{"}, {"json": body(run_id=None)}, {"json": body(action="other")}]
    answers = [await client.post("/execute", **each) for each in sent]
    assert [answer.json()["error"]["code"] for answer in answers] != ["ANSWER_NOT_MADE"] * 3
    assert all(400 <= answer.status_code < 500 for answer in answers)


async def test_faults_and_violations_act_on_staged_answers(client: httpx2.AsyncClient, body: MakeBody) -> None:
    await stage(client, says("one", scenario="s", when_state="started", then_state="next"), says("two"))
    await client.put("/__stub/faults", json={"violate": ["OPS-EXE-002"], "faults": ["status:first=1"]})
    answers = [await client.post("/execute", json=body()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [503, 200]
    assert (answers[1].json()["module"], answers[1].json()["outputs"]) == ("data-layer-other", {"says": "one"})


async def test_journal_names_the_answer_or_how_the_nearest_one_differs(client: httpx2.AsyncClient, body: MakeBody) -> None:
    dom = says(1, name="dom", match={"inputs": {"/country": "DO", "/time_horizon_years": 5}})
    await stage(client, says(2, match={"seed": 1, "inputs": {"/country": "X", "/a": 1}}), dom, says(3, match={"seed": 2}))
    for fields in ({}, {"inputs": DO | {"time_horizon_years": 5}}, {"options": {"seed": 2}}):
        await client.post("/execute", json=body(run_id=str(len(fields)) + str(fields.get("options", ""))[-2:-1], **fields))
    entries = (await client.get("/__stub/requests")).json()["requests"]
    assert [entry["answer"] for entry in entries] == [None, "dom", "/answers/2"]
    difference = {"where": "/inputs/country", "expected": "DO", "actual": "DR"}
    assert entries[0]["nearest_answer"] == {"answer": "dom", "differences": [difference]}
    assert entries[1]["nearest_answer"] is None


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({}, "/answers/0: must have either outputs"),
        (says(1, status=200), "not status with outputs"),
        ({"status": 200, "warnings": []}, "not warnings with status"),
        ({"status": 200, "body": 1, "base64": "AA=="}, "body or base64, not both"),
        ({"status": 204, "body": 1}, "HTTP sends none with 204"),
        ({"status": 200, "base64": "A"}, "/answers/0/base64: is not base64"),
        ({"status": 99}, "/answers/0/status"),
        ({"status": 200, "headers": {"Content-Length": "1"}}, "is set by the stub"),
        ({"status": 200, "headers": {"X-A": "a\r\nb: c"}}, "/answers/0/headers/X-A"),
        (says(1, then_state="x"), "has a state and no scenario"),
        (says(1, matches={}), "/answers/0/matches: is not a known field; did you mean 'match'?"),
        (says(1, match={"inputs": {"country": "DR"}}), "/answers/0/match/inputs/country: must be a JSON pointer, as in"),
        (says(1, match={"path": {"matches": "("}}), "unclosed group"),
        (says(1, match={"path": {"matches": "a)|(b"}}), "unopened group"),
        (says(1, match={"path": {"matches": "(?=a)"}}), "look-ahead"),
        (says(1, match={"path": {"matches": "(a{1000}){1000}"}}), "exceeds size limit"),
        (says(1, match={"inputs": {"": DR}}), "/answers/0/match/inputs/: must have exactly one of equals, absent, matches"),
        (says(1, match={"path": {"equals": 1, "absent": True}}), "not absent, equals"),
        (says(1, match={"inputs": {f"/{n}": {"matches": "a"} for n in range(11)}}), "has 11 regular expressions"),
        (says("{{ inptus.country }}"), "{{ inptus.country }}"),
        (says("{{ 1 + 1 }}"), "write {{ inputs.country }}"),
        (says(["{{ action }}"] * 101), "has 101 templates"),
        (says(1, artifacts=[{"name": "a", "media_type": "text/plain"}]), "exactly one of text, json, base64"),
        (says(1, artifacts=[{"name": "../a", "media_type": "text/plain", "text": ""}]), "/answers/0/artifacts/0/name"),
        (says(1, artifacts=[{"name": "a", "media_type": "text/plain", "text": ""}] * 2), "has an artifact whose name"),
        (says(1, evidence=[{"id": "a"}]), "/answers/0/evidence/0/kind: is required"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_answer_that_cannot_be_staged_is_422_with_its_place_and_changes_nothing(
    client: httpx2.AsyncClient, answer: dict[str, Any], sentence: str
) -> None:
    await stage(client, says("kept"))
    refused = await client.put(ANSWERS, json={"answers": [answer]})
    assert refused.status_code == 422
    assert sentence in refused.json()["detail"]
    assert (await client.get(ANSWERS)).json() == {"answers": [says("kept")]}


async def test_answers_are_a_hundred_at_most(client: httpx2.AsyncClient) -> None:
    await stage(client, *[says(1)] * 100)
    more = [await client.put(ANSWERS, json={"answers": [says(1)] * 101}), await client.post(ANSWERS, json=says(1))]
    assert [answer.status_code for answer in more] == [422, 422]
    patterns = says(1, match={"inputs": {f"/{n}": {"matches": "a"} for n in range(10)}})
    assert "has 110 regular" in (await client.put(ANSWERS, json={"answers": [patterns] * 11})).json()["detail"]
    assert (await client.delete(ANSWERS)).json() == {"answers": []}
