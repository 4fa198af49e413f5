import errno
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from ops_orchestrator.errors import StoreError
from ops_orchestrator.service.problem import install_problem_handlers


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    """Of an application whose store fails with the error number in the path."""
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/{number}")
    async def fail(number: int) -> None:
        raise StoreError("cannot write a run in runs: for some reason") from OSError(number, "for some reason")

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://service.test") as client:
        yield client


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
async def test_store_without_room_is_answered_with_how_to_make_room(client: httpx2.AsyncClient, number: int) -> None:
    problem = (await client.get(f"/{number}")).json()
    assert problem["status"] == 503
    for advice in ("Cannot write a run in runs: for some reason. ", "ops runs usage", "ops runs prune", "OPS_RUNS_DIR"):
        assert advice in problem["detail"]


async def test_store_that_fails_otherwise_is_answered_with_the_reason_alone(client: httpx2.AsyncClient) -> None:
    answer = await client.get(f"/{errno.EIO}")
    assert answer.json()["detail"] == "Cannot write a run in runs: for some reason."
