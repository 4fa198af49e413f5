"""Bodies of the type multipart/form-data (RFC 7578): the same parts give the same bytes."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import Final

_ESCAPED: Final = {'"': "%22", "\r": "%0D", "\n": "%0A"}
_BOUNDARY: Final = re.compile(r'multipart/form-data;.*?boundary="?([A-Za-z0-9-]{1,70})', re.IGNORECASE)
_NAME: Final = re.compile(rb'[; ]name="([^"]*)"')
_FILENAME: Final = re.compile(rb'filename="([^"]*)"')
_MEDIA_TYPE: Final = re.compile(rb"(?im)^content-type: (.+?)\r?$")


@dataclass(frozen=True)
class BodyPart:
    """One part: a field, or with a `filename` a file. Without a `media_type` it is plain text."""

    name: str
    content: bytes
    filename: str | None = None
    media_type: str | None = None

    @property
    def head(self) -> bytes:
        """The header of the part, without the empty line that ends it."""
        file = "" if self.filename is None else f'; filename="{_escaped(self.filename)}"'
        kind = "" if self.media_type is None else f"\r\nContent-Type: {self.media_type}"
        return f'Content-Disposition: form-data; name="{_escaped(self.name)}"{file}{kind}'.encode()


def composed(parts: Sequence[BodyPart], masked: Callable[[bytes], bytes]) -> tuple[bytes, str]:
    """The body that `parts` make, and its content type.

    The boundary is a digest of the parts, so that no part can hold it by intent; `masked` hides secrets from it, which a
    digest that is recorded would otherwise let somebody check a guess against.
    """
    digest = sha256()
    for part in parts:
        digest.update(masked(part.head) + b"\0" + sha256(masked(part.content)).digest())
    boundary = next(each for each in _boundaries(digest.hexdigest()) if not any(each in part.content for part in parts))
    pieces = [b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, part.head, part.content) for part in parts]
    return b"".join([*pieces, b"--%b--\r\n" % boundary]), f"multipart/form-data; boundary={boundary.decode()}"


def parts_of(body: bytes, content_type: str) -> list[BodyPart] | None:
    """The parts of a body that `composed` made; None for any other, also for one that was masked as a whole."""
    found = _BOUNDARY.match(content_type)
    if found is None:
        return None
    delimiter = b"--" + found[1].encode()
    first, *pieces = (b"\r\n" + body).split(b"\r\n" + delimiter)
    if first or not pieces or pieces[-1].strip() != b"--":
        return None
    return [_part(piece) for piece in pieces[:-1]]


def _part(piece: bytes) -> BodyPart:
    head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    name, filename, media_type = (pattern.search(head) for pattern in (_NAME, _FILENAME, _MEDIA_TYPE))
    return BodyPart(
        name=_unescaped(name[1]) if name else "",
        content=content,
        filename=_unescaped(filename[1]) if filename else None,
        media_type=media_type[1].decode(errors="replace") if media_type else None,
    )


def _boundaries(digest: str) -> Iterator[bytes]:
    for number in count():
        yield f"ops-{digest[:32]}{f'-{number}' if number else ''}".encode()


def _escaped(text: str) -> str:
    """As browsers write names (HTML, 4.10.22.8)."""
    return "".join(_ESCAPED.get(character, character) for character in text)


def _unescaped(raw: bytes) -> str:
    text = raw.decode(errors="replace")
    for character, escaped in _ESCAPED.items():
        text = text.replace(escaped, character)
    return text
