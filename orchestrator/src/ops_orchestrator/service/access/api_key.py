"""A key that lets somebody use the service: whose it is, what it may do, until when, and the hash of its secret."""

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Scope = Literal["read", "run", "admin"]
"""What a key may do: look at everything; start, cancel and resume runs, too; or change how the service works, too."""

SCOPES: Final[tuple[Scope, ...]] = ("read", "run", "admin")
"""Each includes those before it."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
"""What a key may be called: its name stands in records, logs and pages."""

TOKEN: Final = re.compile(r"ops_(?P<id>[0-9a-f]{8})_(?P<secret>[A-Za-z0-9_-]{43})")
"""A key as its owner has it, with its public id, so that at most one hash is compared."""

_SECRET_BYTES: Final = 32
# 16 MiB and about 50 ms. The secret is random and cannot be guessed; this is for whoever trusts that less than a hash.
_N, _R, _P = 2**14, 8, 1
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_HASH: Final = r"scrypt\$[0-9a-f]{32}\$[0-9a-f]{64}"


class ApiKey(BaseModel):
    """An entry of the file of keys. Its secret is nowhere: `hash` is `scrypt$SALT$HASH`, both in hexadecimal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    name: Annotated[str, Field(pattern=rf"^{NAME.pattern}$")]
    scope: Scope
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    hash: Annotated[str, Field(pattern=rf"^{_HASH}$")]

    def may(self, needed: Scope) -> bool:
        """Whether its scope includes `needed`."""
        return SCOPES.index(self.scope) >= SCOPES.index(needed)

    @property
    def is_expired(self) -> bool:
        """Whether it counts no longer."""
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)

    def has(self, secret: str) -> bool:
        """Whether `secret` is that of this key. It takes 16 MiB and tens of milliseconds."""
        return is_secret_of(self.hash, secret)


class NewKey(NamedTuple):
    """A key that was just made, and its token, which is known here and never again."""

    key: ApiKey
    token: str

    @classmethod
    def make(cls, name: str, scope: Scope, expires_at: datetime | None) -> Self:
        """A key of 256 random bits."""
        key_id, secret, salt = secrets.token_hex(4), secrets.token_urlsafe(_SECRET_BYTES), secrets.token_bytes(_SALT_BYTES)
        created = datetime.now(UTC).replace(microsecond=0)
        hashed = f"scrypt${salt.hex()}${_hash(secret, salt).hex()}"
        key = ApiKey(id=key_id, name=name, scope=scope, created_at=created, expires_at=expires_at, hash=hashed)
        return cls(key, f"ops_{key_id}_{secret}")


NOBODY: Final = f"scrypt${'0' * 32}${'0' * 64}"
"""The hash of no secret, for ids that are not known: they cost as much as those that are."""


def is_secret_of(hashed: str, secret: str) -> bool:
    """Whether `hashed`, an `ApiKey.hash`, is that of `secret`."""
    _, salt, expected = hashed.split("$")
    return hmac.compare_digest(_hash(secret, bytes.fromhex(salt)), bytes.fromhex(expected))


def _hash(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, n=_N, r=_R, p=_P, dklen=_HASH_BYTES, maxmem=2 * 128 * _N * _R)
