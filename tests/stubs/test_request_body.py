"""What a stub makes of a body that does not arrive."""

import pytest
from starlette.requests import Request
from starlette.types import Message

from ops_contract import RefusalError
from ops_stubs.request_body import receive


@pytest.mark.anyio
async def test_receive_from_a_caller_that_hangs_up_is_not_a_failure_of_the_module() -> None:
    pending: list[Message] = [{"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.disconnect"}]

    async def next_message() -> Message:
        return pending.pop(0)

    request = Request({"type": "http", "method": "POST", "path": "/execute", "headers": []}, next_message)
    with pytest.raises(RefusalError, match="ended before the body did") as raised:
        await receive(request, 10)
    assert raised.value.status == 400
