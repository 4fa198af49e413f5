"""How much of a body is read."""

import pytest
from starlette.requests import Request
from starlette.types import Message

from ops_contract import RefusalError
from ops_stubs.request_body import receive


def incoming(*messages: Message, **headers: str) -> Request:
    """A request whose body arrives in `messages`."""
    pending = list(messages)

    async def next_message() -> Message:
        return pending.pop(0)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/execute", "headers": raw}, next_message)


def piece(content: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


@pytest.mark.anyio
async def test_receive_joins_the_pieces() -> None:
    request = incoming(piece(b"ab", more=True), piece(b"", more=True), piece(b"c"))
    assert await receive(request, 3) == b"abc"


@pytest.mark.anyio
async def test_receive_of_an_announced_giant_reads_nothing() -> None:
    request = incoming(content_length="1000000000")
    with pytest.raises(RefusalError, match="larger than the 10 bytes") as raised:
        await receive(request, 10)
    assert raised.value.status == 413


@pytest.mark.anyio
@pytest.mark.parametrize("announced", ["3", "-1", "many", "9" * 30, ""])
async def test_receive_counts_whatever_was_announced(announced: str) -> None:
    """A length that is wrong or no number does not let a large body in."""
    request = incoming(piece(b"x" * 8, more=True), piece(b"x" * 8), content_length=announced)
    with pytest.raises(RefusalError) as raised:
        await receive(request, 10)
    assert raised.value.status == 413


@pytest.mark.anyio
async def test_receive_from_a_caller_that_hangs_up_is_no_failure_of_ours() -> None:
    request = incoming(piece(b"ab", more=True), {"type": "http.disconnect"})
    with pytest.raises(RefusalError, match="ended before the body did") as raised:
        await receive(request, 10)
    assert raised.value.status == 400
