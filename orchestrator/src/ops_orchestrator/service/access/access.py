"""Who a caller is: by the key in the header of a request, or by the session of a browser that was begun with one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from ops_orchestrator.errors import AccessError
from ops_orchestrator.service.access.api_key import TOKEN, ApiKey
from ops_orchestrator.service.access.failed_tries import FailedTries
from ops_orchestrator.service.access.key_ring import KeyRing
from ops_orchestrator.service.access.sessions import LONGEST_S, Sessions
from ops_orchestrator.service.access.token_check import TokenCheck

HOW_TO: Final = (
    "Programs send a key as `Authorization: Bearer KEY`, commands take it from OPS_API_KEY, and browsers log in at /login. "
    "`ops keys add NAME --scope run`, where the service runs, makes a key."
)
_REVOKED_OR_WRONG: Final = "The key is not one of this service, or was revoked, or has expired."


@dataclass(frozen=True)
class Admitted:
    """The key that a request came with; `session` is that of a browser, None when the key itself was sent."""

    key: ApiKey
    session: str | None = None


@dataclass(frozen=True)
class Access:
    """Who may use the service."""

    ring: KeyRing
    tries: FailedTries
    tokens: TokenCheck
    sessions: Sessions
    is_https: bool = False

    @classmethod
    def of(cls, keys_file: Path, sessions: Sessions, *, is_https: bool, warns: bool) -> Self:
        """With the keys in a file. Raises ConfigurationError.

        `is_https` says that browsers reach the service so, and then no cookie goes over anything else.
        """
        ring, tries = KeyRing.open(keys_file, warns=warns), FailedTries()
        return cls(ring, tries, TokenCheck(ring, tries), sessions, is_https)

    async def admitted(self, headers: Headers, address: str) -> Admitted:
        """Who sent a request with `headers` from `address`. Raises AccessError."""
        if sent := headers.getlist("authorization"):
            scheme, _, token = sent[0].partition(" ")
            if len(sent) > 1 or scheme.lower() != "bearer":
                raise AccessError.unknown(f"The header Authorization must be given once. {HOW_TO}", key_was_sent=True)
            return Admitted(await self.key_of(token.strip(), address))
        if session := self.session_of(headers):
            if key := await self._key_of_session(session):
                return Admitted(key, session)
            raise self._unknown(f"The session is over. {HOW_TO}", key_was_sent=False)
        raise self._unknown(HOW_TO, key_was_sent=False)

    async def key_of(self, token: str, address: str) -> ApiKey:
        """The key that `token` is. Raises AccessError."""
        self.ring.look()
        if self.ring.is_broken:
            raise _unreadable()  # and nobody has used up a try with a key that may be right
        key = await self.tokens.key_of(token, address)
        if key is None or key.is_expired:
            found = TOKEN.fullmatch(token)
            reason = "its key has expired" if key else "its key is not valid"
            self.tries.log(address, found["id"] if found else None, reason)
            raise self._unknown(f"{_REVOKED_OR_WRONG} {HOW_TO}", key_was_sent=True)
        return key

    async def counts(self, admitted: Admitted) -> bool:
        """Whether who was admitted would still be, as far as that is known."""
        if admitted.session is not None:
            try:
                return await self._key_of_session(admitted.session) is not None
            except AccessError:
                return False
        key = self.ring.find(admitted.key.id)
        return key == admitted.key and not admitted.key.is_expired

    async def begin(self, headers: Headers, key: ApiKey) -> str:
        """Begin a session, in the place of the one that a browser may have; returns the header that sets its cookie."""
        await self.end(headers)
        return self._cookie(headers, await self.sessions.begin(key.id), LONGEST_S)

    async def end(self, headers: Headers) -> str:
        """End the session of a browser, if it has one; returns the header that takes its cookie away."""
        if session := self.session_of(headers):
            await self.sessions.end(session)
        return self._cookie(headers, "", 0)

    def session_of(self, headers: Headers) -> str | None:
        """What the cookie of a session holds; None when there is no such cookie."""
        if "cookie" not in headers:
            return None
        return cookie_parser("; ".join(headers.getlist("cookie"))).get(self._name(headers)) or None

    def _cookie(self, headers: Headers, value: str, seconds: int) -> str:
        secure = "; Secure" if self.is_https else ""
        return f"{self._name(headers)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"

    def _name(self, headers: Headers) -> str:
        """The cookie of a session. Browsers keep one set of cookies for all ports of a machine."""
        try:
            port = urlsplit(f"//{headers.get('host', '')}").port
        except ValueError:
            port = None
        # With this prefix, no page of another host below the same domain can set it.
        prefix = "__Host-" if self.is_https else ""
        return f"{prefix}ops-session-{port}" if port else f"{prefix}ops-session"

    async def _key_of_session(self, session: str) -> ApiKey | None:
        key_id = await self.sessions.key_id(session)
        key = None if key_id is None else self.ring.find(key_id)
        return None if key is None or key.is_expired else key

    def _unknown(self, detail: str, *, key_was_sent: bool) -> AccessError:
        return _unreadable() if self.ring.is_broken else AccessError.unknown(detail, key_was_sent=key_was_sent)


def _unreadable() -> AccessError:
    detail = "The file of keys cannot be read, so that no key is accepted; the service's log says why."
    return AccessError(503, "keys-unreadable", "No key can be checked", detail)
