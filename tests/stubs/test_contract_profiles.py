"""Every stub against the profiles it declares: artifacts, deterministic, idempotent."""

import asyncio
import hashlib
import io
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from PIL import Image

from ops_contract import Artifact, canonical_json, content_violation
from ops_stubs.app import create_app
from ops_stubs.catalogue import STUBS

pytestmark = pytest.mark.anyio

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeBody = Callable[..., dict[str, Any]]


@pytest.fixture(params=list(STUBS))
def app(request: pytest.FixtureRequest) -> FastAPI:
    return create_app(STUBS[request.param])


async def content_of(client: httpx2.AsyncClient, artifact: dict[str, Any]) -> bytes:
    """The bytes of an artifact, wherever they are (OPS-ART-002)."""
    described = Artifact.model_validate(artifact)
    if described.inline_content is not None:
        return described.inline_content
    answer = await client.get(f"/{described.href}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(described.media_type)
    return answer.content


def result_of(answer: httpx2.Response) -> tuple[bytes, list[str]]:
    """What has to be the same: the outputs and the hashes of the artifacts."""
    envelope = answer.json()
    return canonical_json(envelope["outputs"]), [artifact["sha256"] for artifact in envelope["artifacts"]]


async def test_artifacts_are_the_bytes_that_the_envelope_describes(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-ART-002, OPS-ART-003, OPS-ART-004."""
    async with connect(app) as client:
        artifacts = (await client.post("/execute", json=body())).json()["artifacts"]
        contents = [await content_of(client, artifact) for artifact in artifacts]
    found = [
        content_violation(Artifact.model_validate(artifact), len(content), hashlib.sha256(content).hexdigest())
        for artifact, content in zip(artifacts, contents, strict=True)
    ]
    assert artifacts
    assert found == [None] * len(artifacts)


async def test_artifacts_are_of_the_type_that_the_envelope_says(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-ART-007."""
    async with connect(app) as client:
        artifacts = (await client.post("/execute", json=body())).json()["artifacts"]
        for artifact in artifacts:
            content = await content_of(client, artifact)
            if artifact["media_type"] == "image/png":
                assert Image.open(io.BytesIO(content)).format == "PNG"
            elif artifact["media_type"] == "application/json":
                assert json.loads(content)
            else:
                assert content.decode().endswith("\n")


async def test_artifacts_outside_the_answers_are_not_served(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-ART-006."""
    paths = ("x/%2e%2e/%2e%2e/health", "x/..%2f..%2fhealth", "x/%252e%252e%252fhealth", "..%5c..%5cx/y", "x/%00", "x/nothing")
    async with connect(app) as client:
        await client.post("/execute", json=body(run_id="r", step_id="x"))
        answers = [await client.get(f"/artifacts/r/{path}") for path in paths]
    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json()["error"]["code"] for answer in answers} == {"NOT_FOUND"}


async def test_execute_under_other_ids_finds_the_same(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-DET-001, OPS-DET-002."""
    async with connect(app) as client:
        one = await client.post("/execute", json=body(run_id="one", step_id="a", scenario_id="first"))
        two = await client.post("/execute", json=body(run_id="two", step_id="b", scenario_id="second"))
    assert result_of(one) == result_of(two)


async def test_execute_eight_times_at_once_finds_the_same(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-DET-003."""
    async with connect(app) as client:
        answers = await asyncio.gather(*(client.post("/execute", json=body(run_id=f"r{number}")) for number in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({repr(result_of(answer)) for answer in answers}) == 1


@pytest.mark.parametrize("seed", [0, 2147483647, 42.0])
async def test_execute_with_an_extreme_seed_succeeds(app: FastAPI, connect: Connect, body: MakeBody, seed: float) -> None:
    """OPS-DET-004."""
    async with connect(app) as client:
        answer = await client.post("/execute", json=body(options={"seed": seed}))
    assert answer.status_code == 200


async def test_execute_repeated_gives_the_same_answer_to_the_byte(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-IDM-001: even `meta`, since nothing was executed that could have taken another time."""
    again = json.dumps(dict(reversed(body().items())), indent=3)
    async with connect(app) as client:
        first = await client.post("/execute", json=body())
        second = await client.post("/execute", content=again, headers={"Content-Type": "application/json"})
    assert first.status_code == 200
    assert first.content == second.content


async def test_execute_with_a_used_key_and_another_body_is_422(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-IDM-002."""
    async with connect(app) as client:
        await client.post("/execute", json=body())
        answer = await client.post("/execute", json=body(options={"seed": 43}))
        still = await client.post("/execute", json=body())
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert answer.json()["error"]["pointer"] == "/step_id"
    assert still.status_code == 200


async def test_execute_at_once_with_one_key_gives_one_answer(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-IDM-003: equal durations show that there was one execution."""
    async with connect(app) as client:
        answers = await asyncio.gather(*(client.post("/execute", json=body()) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
