"""The key by which people recognise who signed a run."""

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from ops_contract import sha256_hex

_BYTES: Final = 32
_FINGERPRINT_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key, as its 32 bytes."""

    raw: bytes

    @classmethod
    def of(cls, text: str) -> "PublicKey | None":
        """The key whose base64 is `text`; None when that is not 32 bytes in base64."""
        try:
            raw = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return None
        return cls(raw) if len(raw) == _BYTES else None

    @property
    def text(self) -> str:
        """The key in base64."""
        return base64.b64encode(self.raw).decode()

    @property
    def fingerprint(self) -> str:
        """What people compare: the first 16 hex digits of the SHA-256 of the key."""
        return sha256_hex(self.raw)[:_FINGERPRINT_DIGITS]
