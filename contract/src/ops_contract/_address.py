"""The addresses below a module's base URL, the same for whoever calls modules and for whoever checks them."""

import re
from typing import Final
from urllib.parse import quote

__all__ = ["request_target"]

_IN_NO_URL: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]+")


def request_target(path: str) -> str:
    """`path`, which may bring a query, as it stands in a request: as it is written, except for what no URL can hold.

    Such characters are percent-encoded in UTF-8, and so is a percent sign that begins no escape. Escapes stay as they are,
    since `%3B` and `;` may lead to different places (RFC 3986, section 2.2), and segments of dots are not resolved.
    """
    return _IN_NO_URL.sub(lambda found: quote(found[0], safe="", errors="replace"), path)
