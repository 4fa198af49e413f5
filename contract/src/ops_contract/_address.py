"""The addresses below a module's base URL, the same for whoever calls modules and for whoever checks them."""

import re
from typing import Final
from urllib.parse import quote, urlsplit

__all__ = ["base_url_problem", "request_target"]

_IN_NO_URL: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]+")


def request_target(path: str) -> str:
    """`path`, which may bring a query, as it stands in a request: as it is written, except for what no URL can hold.

    Such characters are percent-encoded in UTF-8, and so is a percent sign that begins no escape. Escapes stay as they are,
    since `%3B` and `;` may lead to different places (RFC 3986, section 2.2), and segments of dots are not resolved.
    """
    return _IN_NO_URL.sub(lambda found: quote(found[0], safe="", errors="replace"), path)


def base_url_problem(url: str) -> str | None:
    """Why nothing can be called below `url`, to follow its name; None when it is a base URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError as error:  # a port that is not a number, or half an IPv6 address
        return f"must be like http://host:port ({error})"
    if parts.scheme not in ("http", "https") or not host or port == 0 or parts.query or parts.fragment:
        return "must be like http://host:port or http://host:port/path"
    if not url.isprintable() or " " in url:
        return "must not hold blanks or control characters"
    return None
