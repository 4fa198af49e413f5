"""What is answered before the framework is answered as the framework would."""

from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ops_contract import Problem
from ops_orchestrator.errors import BusyError, DamagedRunError, InvalidRequestError, NotFoundError, StoreError
from ops_orchestrator.service.hot_route import HotRoute
from ops_orchestrator.service.problem import install_problem_handlers

ERRORS = [
    InvalidRequestError("The scenario does not have the right shape.", [Problem("/modules", "is missing")]),
    InvalidRequestError("This is not JSON.", status=400),
    NotFoundError("There is no such run.", "/runs"),
    BusyError("64 runs are under way."),
    StoreError("cannot write"),
    DamagedRunError(Path("runs/run_1"), "run.json", "the file is missing"),
    HTTPException(405, headers={"Allow": "POST"}),
    RuntimeError("a bug"),
]


async def answered(path: str, error: Exception | None) -> tuple[int, dict[str, str], bytes]:
    """What a service answers at /hot, which is before its framework, or at /cold, which is behind it."""

    async def answer(request: Request) -> Response:
        if error is not None:
            raise error
        return Response(await request.body(), headers={"Location": "/runs/1"})

    app = FastAPI()
    install_problem_handlers(app)
    app.add_api_route("/cold", answer, methods=["POST"])
    app.add_middleware(HotRoute, path="/hot", answer=answer)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://ops.localhost") as client:
        response = await client.post(path, content=b"body")
    return response.status_code, dict(response.headers), response.content.replace(b"/cold", b"/hot")


@pytest.mark.parametrize("error", [None, *ERRORS], ids=lambda error: type(error).__name__)
async def test_answer_is_the_same_before_and_behind_the_framework(error: Exception | None) -> None:
    hot, cold = await answered("/hot", error), await answered("/cold", error)
    lengths = [answer[1].pop("content-length") for answer in (hot, cold)]
    assert hot == cold
    assert all(map(int, lengths))
