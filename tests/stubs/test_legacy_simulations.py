"""The jobs of the legacy service."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from ops_contract import sha256_hex
from ops_stubs.legacy import create_legacy

pytestmark = pytest.mark.anyio

Connect = Callable[[Starlette], AbstractAsyncContextManager[httpx2.AsyncClient]]
DO = {"country": "DO", "years": 3, "seed": 7}


@pytest.fixture
async def client(connect: Connect, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with connect(create_legacy(tmp_path / "shared")) as opened:
        yield opened


async def test_job_is_done_when_it_is_asked_for_the_third_time_and_leaves_a_file(client: httpx2.AsyncClient) -> None:
    submitted = await client.post("/simulations", json=DO)
    job = submitted.json()["job"]
    assert (submitted.status_code, (await client.get(f"/simulations/{job}/paths.csv")).status_code) == (202, 404)
    states = [(await client.get(f"/simulations/{job}")).json() for _ in range(3)]
    assert [state["state"] for state in states] == ["running", "running", "done"]
    (file,) = states[-1]["files"]
    content = (await client.get(file["link"])).content
    assert sha256_hex(content) == file["digest"]
    assert len(content.splitlines()) == 1 + 3 == 1 + len(states[-1]["growth"])


async def test_equal_jobs_find_the_same_and_other_seeds_something_else(client: httpx2.AsyncClient) -> None:
    found = []
    for seed in (7, 7, 8):
        job = (await client.post("/simulations", json={**DO, "seed": seed})).json()["job"]
        found.append([(await client.get(f"/simulations/{job}")).json() for _ in range(3)][-1]["growth"])
    assert found[0] == found[1] != found[2]


async def test_job_can_fail_be_forgotten_or_be_refused(client: httpx2.AsyncClient) -> None:
    failed = (await client.post("/simulations", json={**DO, "country": "ZZ"})).json()["job"]
    assert (await client.get(f"/simulations/{failed}")).json()["state"] == "failed"
    assert (await client.delete(f"/simulations/{failed}")).status_code == 204
    assert (await client.get(f"/simulations/{failed}")).status_code == 404
    assert (await client.post("/simulations", json={**DO, "years": 31})).json() == ["years must be 1 to 30"]
