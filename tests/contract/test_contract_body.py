"""How much of a request's body is read."""

from collections.abc import AsyncIterator

import pytest

from ops_contract import RefusalError, read_body

pytestmark = pytest.mark.anyio


async def pieces(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


@pytest.mark.parametrize("announced", [None, "3", "1", "many"])
async def test_read_body_up_to_the_limit_joins_the_pieces(announced: str | None) -> None:
    assert await read_body(pieces(b"ab", b"", b"c"), 3, announced=announced) == b"abc"


async def test_read_body_of_an_announced_giant_reads_nothing() -> None:
    """OPS-LIM-003."""
    unread = pieces(b"first")
    with pytest.raises(RefusalError, match="larger than the 10 bytes that this module accepts") as raised:
        await read_body(unread, 10, announced="1000000000")
    assert (raised.value.status, raised.value.code) == (413, "TOO_LARGE")
    assert await anext(unread) == b"first"


@pytest.mark.parametrize("announced", [None, "3", "-1", "many", "9" * 30, "\u00b2", ""])
async def test_read_body_counts_whatever_was_announced(announced: str | None) -> None:
    """OPS-LIM-003: a length that is wrong or not a number does not let a large body in."""
    with pytest.raises(RefusalError, match="larger than the 10 bytes that SETTING allows"):
        await read_body(pieces(b"x" * 8, b"x" * 8), 10, announced=announced, setting="SETTING")
