"""Whose key a token is: one slow hash when it is seen for the first time, a fast one after that."""

import asyncio
import hashlib
import hmac
import math
import secrets
from functools import partial
from typing import Final

from ops_orchestrator.errors import AccessError
from ops_orchestrator.service.access.api_key import NOBODY, TOKEN, ApiKey, is_secret_of
from ops_orchestrator.service.access.failed_tries import FailedTries
from ops_orchestrator.service.access.key_ring import KeyRing

# Each takes 16 MiB.
_HASHES_AT_ONCE: Final = 2
_MOST_WAITING: Final = 64


class TokenCheck:
    """Finds the key of a token in `ring`.

    A token that was right once is known again by a digest that only this process can make.
    """

    def __init__(self, ring: KeyRing, tries: FailedTries) -> None:
        self._ring = ring
        self._tries = tries
        self._secret = secrets.token_bytes(32)
        # By the id of a key: the digest of its token, and its hash, which another key of that id would not have.
        self._known: dict[str, tuple[bytes, str]] = {}
        self._under_way: dict[tuple[bytes, str], asyncio.Task[bool]] = {}
        self._room = asyncio.Semaphore(_HASHES_AT_ONCE)

    async def key_of(self, token: str, address: str) -> ApiKey | None:
        """The key of the token, expired or not; None when it is not a key's. Raises AccessError for too many tries."""
        found = TOKEN.fullmatch(token)
        if found is None:
            self._take_try(address)
            return None
        key_id, secret = found["id"], found["secret"]
        digest = hashlib.blake2b(token.encode(), key=self._secret).digest()
        key = self._ring.find(key_id)
        if self._is_known(key, digest):
            return key
        hashed = NOBODY if key is None else key.hash
        if not await self._is_right(digest, hashed, secret, address) or key is None:
            return None
        self._known[key_id] = digest, key.hash
        if len(self._known) > 2 * len(self._ring):
            self._known = {known: each for known, each in self._known.items() if self._ring.find(known)}
        # It may have been revoked meanwhile.
        key = self._ring.find(key_id)
        return key if self._is_known(key, digest) else None

    def _is_known(self, key: ApiKey | None, digest: bytes) -> bool:
        known = self._known.get(key.id) if key else None
        return known is not None and key is not None and known[1] == key.hash and hmac.compare_digest(known[0], digest)

    async def _is_right(self, digest: bytes, hashed: str, secret: str, address: str) -> bool:
        """Whether `hashed` is the hash of the secret; all who ask at once for one token wait for one answer."""
        question = digest, hashed
        if question not in self._under_way:
            if len(self._under_way) >= _MOST_WAITING:
                raise AccessError.busy(1)
            self._take_try(address)
            task = self._under_way[question] = asyncio.create_task(self._compare(hashed, secret, address))
            task.add_done_callback(lambda _: self._under_way.pop(question))
        # Who hangs up takes the answer from nobody else.
        return await asyncio.shield(self._under_way[question])

    async def _compare(self, hashed: str, secret: str, address: str) -> bool:
        async with self._room:
            is_right = await asyncio.to_thread(partial(is_secret_of, hashed, secret))
        if is_right:
            self._tries.give_back(address)
        return is_right

    def _take_try(self, address: str) -> None:
        """Raise AccessError, 429, when the caller has to wait."""
        if (wait_s := self._tries.take(address)) > 0:
            self._tries.log(address, None, "too many keys that are not valid")
            raise AccessError.too_many(math.ceil(wait_s))
