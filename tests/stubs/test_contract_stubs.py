"""Every stub against the contract: what each action answers, and that it depends on nothing but its inputs and the seed."""

import asyncio
import hashlib
import io
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2
import jsonschema_rs
import pytest
from fastapi import FastAPI
from PIL import Image

from ops_contract import (
    Artifact,
    ExecuteRequest,
    Health,
    SuccessEnvelope,
    canonical_json,
    content_violation,
    parse_envelope,
    parse_json,
    violations,
)
from ops_contract.schemas import documents
from ops_stubs import __version__
from ops_stubs.app import create_app
from ops_stubs.catalogue import STUBS

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("name", list(STUBS))]

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeBody = Callable[..., dict[str, Any]]

ENVELOPE = jsonschema_rs.validator_for(documents()["envelope.schema.json"])


class Answer:
    """What a stub answers to the seed's inputs: the envelope, and each artifact with its bytes."""

    def __init__(self, response: httpx2.Response, files: list[tuple[Artifact, bytes]]) -> None:
        self.response = response
        self.files = files

    @property
    def result(self) -> tuple[bytes, list[str]]:
        """What has to be the same: the outputs and the hashes of the artifacts."""
        envelope = self.response.json()
        return canonical_json(envelope["outputs"]), [artifact["sha256"] for artifact in envelope["artifacts"]]


async def asked(client: httpx2.AsyncClient, body: dict[str, Any]) -> Answer:
    response = await client.post("/execute", json=body)
    artifacts = [Artifact.model_validate(artifact) for artifact in response.json()["artifacts"]]
    return Answer(response, [(artifact, await content_of(client, artifact)) for artifact in artifacts])


async def content_of(client: httpx2.AsyncClient, artifact: Artifact) -> bytes:
    """The bytes of an artifact, wherever they are (OPS-ART-002)."""
    if artifact.inline_content is not None:
        return artifact.inline_content
    answer = await client.get(f"/{artifact.href}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(artifact.media_type)
    return answer.content


@pytest.fixture(scope="module")
def answers(connect: Connect, body: MakeBody) -> dict[str, Answer]:
    """The answer of each stub."""

    async def collect() -> dict[str, Answer]:
        found = {}
        for name, stub in STUBS.items():
            async with connect(create_app(stub)) as client:
                found[name] = await asked(client, body())
        return found

    return asyncio.run(collect())


async def test_health_when_ready_says_what_the_module_can_be_held_to(name: str, connect: Connect) -> None:
    """OPS-HLT-001, OPS-HLT-002, OPS-HLT-005."""
    async with connect(create_app(STUBS[name])) as client:
        answer = await client.get("/health")
    health = Health.model_validate(parse_json(answer.content))
    assert (answer.status_code, health.status, health.module, health.version) == (200, "ok", name, __version__)
    assert health.contract_versions == ("1.0",)
    assert health.profiles == ("artifacts", "deterministic", "idempotent")
    assert health.actions == ("execute",)


def test_execute_answers_an_envelope_without_violations(name: str, answers: dict[str, Answer]) -> None:
    """OPS-EXE-001 to -004, -006, -007, OPS-ART-001, -005, OPS-EVD-001, -002, OPS-ERR-008."""
    response = answers[name].response
    value = parse_json(response.content)
    envelope = parse_envelope(value)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert ENVELOPE.is_valid(value)
    assert isinstance(envelope, SuccessEnvelope)
    assert violations(envelope, module=name) == ()
    assert (envelope.version, envelope.contract_version) == (__version__, "1.0")


def test_execute_says_that_its_evidence_is_synthetic(name: str, answers: dict[str, Answer]) -> None:
    """OPS-EVD-003."""
    evidence = answers[name].response.json()["evidence"]
    assert evidence
    assert all(item["synthetic"] and "ynthetic" in item["title"] for item in evidence)


def test_artifacts_are_the_bytes_that_the_envelope_describes(name: str, answers: dict[str, Answer]) -> None:
    """OPS-ART-002, OPS-ART-003, OPS-ART-004."""
    files = answers[name].files
    assert files
    assert [content_violation(file, len(content), hashlib.sha256(content).hexdigest()) for file, content in files] == [
        None for _ in files
    ]


def test_artifacts_are_of_the_type_that_the_envelope_says(name: str, answers: dict[str, Answer]) -> None:
    """OPS-ART-007."""
    for file, content in answers[name].files:
        if file.media_type == "image/png":
            assert Image.open(io.BytesIO(content)).format == "PNG"
        elif file.media_type == "application/json":
            assert json.loads(content)
        else:
            assert content.decode().endswith("\n")


async def test_execute_under_other_ids_and_with_unknown_fields_finds_the_same(
    name: str, answers: dict[str, Answer], connect: Connect, body: MakeBody
) -> None:
    """OPS-DET-001, OPS-DET-002, OPS-FWD-001."""
    other = body(run_id="two", step_id="b", scenario_id="second", extra={"x": 1}, options={"seed": 42, "priority": "high"})
    other["inputs"] = {**other["inputs"], "colour": "blue"}
    async with connect(create_app(STUBS[name])) as client:
        answer = await asked(client, other)
    assert answer.result == answers[name].result


@pytest.mark.parametrize("seed", [0, 2147483647])
def test_execute_with_an_extreme_seed_succeeds(name: str, ask: Callable[..., ExecuteRequest], seed: int) -> None:
    """OPS-DET-004."""
    assert STUBS[name].actions["execute"](ask(options={"seed": seed})).outputs
