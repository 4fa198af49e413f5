"""JSON text that a terminal can show."""

import re
from typing import Final

__all__ = ["terminal_safe"]

# DEL, C1 and bidirectional controls, in UTF-8: they can change what a terminal does or shows. C0 controls are escaped by JSON
# itself. Decoding a text to look for them takes four times its size.
_CONTROLS: Final = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]"  # U+061C, U+200E.., U+2028.., U+2066..
)


def terminal_safe(text: bytes) -> bytes:
    """JSON in UTF-8 with the same meaning that a terminal shows as it is: all of its control characters are escaped."""
    # The search takes fifty times as long.
    is_plain = text.isascii() and b"\x7f" not in text
    if is_plain or _CONTROLS.search(text) is None:
        return text
    return _CONTROLS.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), text)
