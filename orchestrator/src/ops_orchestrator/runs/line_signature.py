"""The signature that a line of a log may have, as its last field: of all its bytes before it.

Each line names the hash of the one before, so that whoever has a line that is signed, and the lines before it, knows that none
of them was changed since.
"""

import base64
from typing import Final

_BEFORE: Final = b',"signature":"'
_AFTER: Final = b'"}\n'


def with_signature(line: bytes, signature: bytes) -> bytes:
    """A line, which ends with a newline, with its signature."""
    return b"".join((line.removesuffix(b"}\n"), _BEFORE, base64.b64encode(signature), _AFTER))


def parted(line: bytes) -> tuple[bytes, bytes | None]:
    """A line without its signature, and that; None when it has none."""
    fields, before, signature = line.rpartition(_BEFORE)
    if before and signature.endswith(_AFTER):
        try:
            return fields + b"}\n", base64.b64decode(signature.removesuffix(_AFTER), validate=True)
        except ValueError:
            pass  # a field of this name in what was asked for
    return line, None
