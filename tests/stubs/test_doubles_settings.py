"""All that is staged at once: `/__stub/settings`, and the file of `ops-stubs serve --doubles`."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from ops_stubs.app import create_app
from ops_stubs.catalogue import STUBS
from ops_stubs.cli import cli
from ops_stubs.faults import Faults

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeBody = Callable[..., dict[str, Any]]
Serve = Callable[..., AbstractContextManager[tuple["Popen[str]", int]]]

SETTINGS: dict[str, Any] = {
    "violate": ["OPS-EXE-002"],
    "faults": [{"kind": "hang", "path": "/health", "skip": 9}],
    "answers": [{"scenario": "s", "when_state": "next", "outputs": {"says": 1}}],
    "states": {"s": "next"},
}


@pytest.fixture
async def client(connect: Connect) -> AsyncIterator[httpx2.AsyncClient]:
    async with connect(create_app(STUBS["monitor"], faults=Faults())) as client:
        yield client


@pytest.mark.anyio
async def test_settings_that_are_listed_can_be_put_again(client: httpx2.AsyncClient, body: MakeBody) -> None:
    put = await client.put("/__stub/settings", json=SETTINGS)
    assert put.json() == (await client.get("/__stub/settings")).json() == SETTINGS
    envelope = (await client.post("/execute", json=body())).json()
    assert (envelope["module"], envelope["outputs"]) == ("monitor-other", {"says": 1})


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"answer": []}, "this has answer; did you mean 'answers'?"),
        ({"faults": ["hang", "latancy"]}, "/faults/1: no fault is called 'latancy'"),
        ({"violate": ["OPS-CTR-003"]}, "only be staged when the stub is started"),
        ({"answers": [{"outputs": {}}, {"match": {"seed": {"equals": 1, "matches": "a"}}, "outputs": {}}]}, "/answers/1/match"),
        ({"states": {"t": "x"}}, "no scenario is called 't'"),
    ],
    ids=str,
)
async def test_settings_with_a_mistake_change_nothing(
    client: httpx2.AsyncClient, changed: dict[str, Any], sentence: str
) -> None:
    await client.put("/__stub/settings", json=SETTINGS)
    refused = await client.put("/__stub/settings", json={**SETTINGS, "violate": [], **changed})
    assert (refused.status_code, sentence in refused.json()["detail"]) == (422, True), refused.text
    assert (await client.get("/__stub/settings")).json() == SETTINGS


@pytest.mark.anyio
async def test_settings_without_a_body_need_a_file(client: httpx2.AsyncClient) -> None:
    refused = await client.put("/__stub/settings")
    assert (refused.status_code, "--doubles FILE" in refused.json()["detail"]) == (422, True)


@pytest.mark.slow
def test_file_is_staged_at_the_start_and_read_again_on_request(tmp_path: Path, serve: Serve, body: MakeBody) -> None:
    file = tmp_path / "doubles.json"
    file.write_text(json.dumps(SETTINGS))
    with serve("monitor", "--doubles", str(file)) as (process, port):
        assert process.stderr is not None
        said = process.stderr.readline()
        url = f"http://127.0.0.1:{port}"
        first = httpx2.post(f"{url}/execute", json=body()).json()
        file.write_text(json.dumps({"answers": [{"outputs": {"says": 2}}]}))
        unread = httpx2.post(f"{url}/execute", json=body(run_id="b")).json()
        read = httpx2.put(f"{url}/__stub/settings")
        second = httpx2.post(f"{url}/execute", json=body(run_id="c")).json()
        file.write_text("{")
        broken = httpx2.put(f"{url}/__stub/settings")
    assert said == "staged: OPS-EXE-002, hang, 1 answer; admin API at /__stub\n"
    assert [envelope["outputs"]["says"] for envelope in (first, unread, second)] == [1, 1, 2]
    assert (read.status_code, second["module"]) == (200, "monitor")
    assert (broken.status_code, broken.json()["detail"].startswith(f"{file}: ")) == (422, True)


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        (None, ["monitor"], "cannot be read: No such file"),
        ("{", ["monitor"], "is not JSON"),
        ("[]", ["monitor"], "must be an object with violate, faults, answers, states"),
        (" " * (2**20 + 1), ["monitor"], "is larger than"),
        ('{"answers": [{"outputs": {}, "priority": 0}]}', ["monitor"], "/answers/0/priority"),
        ('{"violate": ["OPS-XXX-001"]}', ["monitor"], "OPS-XXX-001"),
        ("{}", ["monitor", "--fault", "hang"], "the file takes violate and faults, too"),
        ("{}", [], "faults are staged in one module"),
        ("{}", ["legacy"], "faults are staged in one module"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_file_that_cannot_be_staged_is_a_usage_error_with_file_and_place(
    tmp_path: Path, text: str | None, options: list[str], sentence: str
) -> None:
    file = tmp_path / "doubles.json"
    if text is not None:
        file.write_text(text)
    result = CliRunner().invoke(cli, ["serve", *options, "--doubles", str(file)], env={"COLUMNS": "1000", "TERM": "dumb"})
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in " ".join(result.stderr.split())
