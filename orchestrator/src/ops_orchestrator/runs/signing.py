"""Ed25519 signatures over manifests and lines of logs: makes keys, signs, and checks.

Only what needs it loads it, with its library.
"""

import base64
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from ops_contract import JsonError, parse_json
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.runs.json_text import json_document
from ops_orchestrator.runs.line_signature import parted, with_signature
from ops_orchestrator.runs.public_key import PublicKey

_ALGORITHM: Final = "Ed25519"
_MOST_KEY_BYTES: Final = 64 * 1024
_MOST_SIGNATURE_BYTES: Final = 64 * 1024
_HOW_TO_MAKE: Final = "make one with `ops keys make`"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class SignatureError(ValueError):
    """A signature is none of the manifest that it came with; the message says why."""


@dataclass(frozen=True)
class SigningKey:
    """A private key that signs manifests, and the lines of logs. See Signer."""

    key: Ed25519PrivateKey

    def __call__(self, manifest: bytes) -> bytes:
        """The content of manifest-signature.json for a manifest."""
        return _document(public_key_of(self.key), self.key.sign(manifest))

    def sign_line(self, line: bytes) -> bytes:
        """See Signer."""
        return with_signature(line, self.key.sign(line))

    def has_signed(self, line: bytes) -> bool:
        """See Signer."""
        signed, signature = parted(line)
        try:
            self.key.public_key().verify(signature or b"", signed)
        except InvalidSignature:
            return False
        return True


def make_keys() -> tuple[bytes, bytes]:
    """A new private key (PKCS 8) and its public one, both as PEM."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def read_signing_key(file: Path) -> SigningKey:
    """The private key in `file`. Raises ConfigurationError."""
    return SigningKey(_private_key(_content(file, "OPS_SIGNING_KEY", _HOW_TO_MAKE), file))


def why_exposed(file: Path) -> str | None:
    """That others may read the private key in `file`, in a sentence; None when only its owner can."""
    if file.stat().st_mode & _OTHERS == 0:
        return None
    return f"others can read the private key {file}, and sign as you; change that with `chmod 600 {file}`"


def read_public_key(name: str) -> PublicKey:
    """The public key that `name` stands for: its base64, or a file that holds it as PEM or as base64.

    Raises ConfigurationError.
    """
    if key := PublicKey.of(name):
        return key
    file = Path(name)
    content = _content(file, "--trust", "name the file of a public key, or write the key in base64")
    if key := PublicKey.of(content.decode(errors="replace").strip()):
        return key
    try:
        return public_key_in(content)
    except (ValueError, UnsupportedAlgorithm):
        hint = f"; it is a private key, so keep it secret, and pass {file}.pub" if b"PRIVATE KEY" in content else ""
        raise ConfigurationError(
            f"--trust {file}: it is not an {_ALGORITHM} public key{hint or ', as PEM or in base64'}"
        ) from None


def public_key_in(pem: bytes) -> PublicKey:
    """The Ed25519 public key in `pem`. Raises ValueError, UnsupportedAlgorithm."""
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"it is not an {_ALGORITHM} key")  # noqa: TRY004  # of the file, not of the program
    return PublicKey(key.public_bytes_raw())


def public_key_of(key: Ed25519PrivateKey) -> PublicKey:
    """The public key that belongs to a private one."""
    return PublicKey(key.public_key().public_bytes_raw())


def signed_by(signature: bytes, manifest: bytes) -> PublicKey:
    """The key that made `signature`, the content of manifest-signature.json, for `manifest`. Raises SignatureError."""
    key, raw = _parts(signature)
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(raw, manifest)
    except (InvalidSignature, ValueError):  # the latter for bytes that are no key
        raise SignatureError(f"a signature by {key.fingerprint} of something else") from None
    # So that no byte of the file can be another without being noticed.
    if signature != _document(key, raw):
        raise SignatureError("other bytes than a signature is written with")
    return key


def _document(key: PublicKey, signature: bytes) -> bytes:
    encoded = base64.b64encode(signature).decode()
    return json_document({"algorithm": _ALGORITHM, "public_key": key.text, "signature": encoded})


def _parts(signature: bytes) -> tuple[PublicKey, bytes]:
    if len(signature) > _MOST_SIGNATURE_BYTES:
        raise SignatureError(f"more than {_MOST_SIGNATURE_BYTES} bytes")
    try:
        values: Any = parse_json(signature)
        key, raw = PublicKey.of(values["public_key"]), base64.b64decode(values["signature"], validate=True)
        algorithm = values["algorithm"]
    except (JsonError, LookupError, TypeError, ValueError):
        raise SignatureError("a document that is not a signature") from None
    if algorithm != _ALGORITHM or key is None:
        raise SignatureError(f"a document that is not an {_ALGORITHM} signature")
    return key, raw


def _private_key(content: bytes, file: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(content, None)
    except TypeError:
        reason = "it is protected by a password, which nobody can enter when the service starts"
        raise ConfigurationError(f"OPS_SIGNING_KEY: cannot use {file}: {reason}; {_HOW_TO_MAKE}") from None
    except (ValueError, UnsupportedAlgorithm):
        hint = (
            "it is a public key; name the file without .pub"
            if b"PUBLIC KEY" in content
            else f"it is not a private key as PEM; {_HOW_TO_MAKE}"
        )
        raise ConfigurationError(f"OPS_SIGNING_KEY: cannot use {file}: {hint}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"OPS_SIGNING_KEY: cannot use {file}: it is not an {_ALGORITHM} key; {_HOW_TO_MAKE}")
    return key


def _content(file: Path, setting: str, hint: str) -> bytes:
    """The content of a file with a key, which may be a link. Raises ConfigurationError."""
    try:
        # Without O_NONBLOCK, opening a pipe waits for its other end.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return os.read(descriptor, _MOST_KEY_BYTES)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"{setting}: cannot read {file}: {reason}; {hint}") from error
    raise ConfigurationError(f"{setting}: cannot read {file}: it is not a plain file; {hint}")
