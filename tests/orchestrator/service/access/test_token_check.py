"""Keys that nobody has: each costs a slow hash, and not more than so many wait for theirs."""

import asyncio
from pathlib import Path

import pytest
from api_keys import make_key

from ops_orchestrator.errors import AccessError
from ops_orchestrator.service.access.failed_tries import FailedTries
from ops_orchestrator.service.access.key_ring import KeyRing
from ops_orchestrator.service.access.token_check import TokenCheck

MOST_WAITING = 64


@pytest.mark.slow
async def test_unknown_ids_wait_for_a_slow_hash_too_and_no_more_than_there_is_room_for(tmp_path: Path) -> None:
    make_key(tmp_path / "keys.json", "anna")
    check = TokenCheck(KeyRing(tmp_path / "keys.json"), FailedTries())
    guesses = [f"ops_{number:08x}_{'x' * 43}" for number in range(MOST_WAITING + 6)]
    asked = [check.key_of(guess, f"192.0.2.{number}") for number, guess in enumerate(guesses)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert answers[:MOST_WAITING] == [None] * MOST_WAITING
    assert [each.status for each in answers[MOST_WAITING:] if isinstance(each, AccessError)] == [503] * 6
