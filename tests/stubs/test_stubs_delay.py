"""Slowness on request: `inputs.__stub_delay_s`."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from ops_contract import ExecuteRequest
from ops_stubs.app import create_app
from ops_stubs.delay import delay_of
from ops_stubs.errors import InputError
from ops_stubs.module import Result, Stub

pytestmark = pytest.mark.anyio

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeBody = Callable[..., dict[str, Any]]


def echo(request: ExecuteRequest) -> Result:
    """Gives its inputs back."""
    return Result({"inputs": request.inputs})


ECHO = Stub(name="tiny", summary="For tests", actions={"execute": echo})


async def test_execute_with_a_delay_never_shows_it_to_the_action(connect: Connect, body: MakeBody) -> None:
    async with connect(create_app(ECHO)) as client:
        answer = await client.post("/execute", json=body(inputs={"a": 1, "__stub_delay_s": 0.01}))
    assert answer.json()["outputs"] == {"inputs": {"a": 1}}


async def test_execute_with_a_delay_past_its_deadline_is_a_retryable_error(connect: Connect, body: MakeBody) -> None:
    """OPS-LIM-002."""
    late = body(inputs={"__stub_delay_s": 30}, options={"deadline_s": 0.02})
    async with connect(create_app(ECHO)) as client:
        answer = await client.post("/execute", json=late)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["retryable"]) == (503, "DEADLINE_EXCEEDED", True)


@pytest.mark.parametrize("value", [-1, 30.5, "1", True, None, [1]], ids=repr)
async def test_execute_with_an_odd_delay_is_422_and_points_there(connect: Connect, body: MakeBody, value: Any) -> None:
    async with connect(create_app(ECHO)) as client:
        answer = await client.post("/execute", json=body(inputs={"__stub_delay_s": value}))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["pointer"]) == (422, "INVALID_INPUT", "/inputs/__stub_delay_s")


def test_delay_of_a_call_without_one_is_nothing(body: MakeBody) -> None:
    call = ExecuteRequest.model_validate(body())
    assert delay_of(call) == (0.0, call)


def test_delay_of_a_call_with_too_long_a_one_is_refused(body: MakeBody) -> None:
    with pytest.raises(InputError, match="from 0 to 30"):
        delay_of(ExecuteRequest.model_validate(body(inputs={"__stub_delay_s": 31})))
