"""Forms that a browser sends: only from our own pages, and not larger than they need be."""

import ipaddress
from collections.abc import Collection
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request

MOST_BYTES: Final = 1024 * 1024
"""A form has at most so many bytes."""

_MOST_FIELDS: Final = 1000
_FORM: Final = "application/x-www-form-urlencoded"
_OUR_OWN: Final = ("same-origin", "none")


async def read_form(request: Request, hosts: Collection[str]) -> dict[str, list[str]]:
    """The fields of a form, each with its values. `hosts` are the names by which the service may be called, beside addresses.

    Raises HTTPException: 403 for a form that another site sends, 413 and 415 for one that no page of ours has.
    """
    refuse_foreign(request, hosts)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in ("", _FORM):
        raise HTTPException(415, f"A form of these pages is sent as {_FORM}.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"A form has at most {MOST_BYTES:,} bytes; send larger scenarios to the API.")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise HTTPException(400, f"The form cannot be read: {error}.") from error
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def refuse_foreign(request: Request, hosts: Collection[str]) -> None:
    """Raise HTTPException, 403, unless a page of this service sent the request."""
    host = request.headers.get("host", "")
    if not _is_known(host, hosts):
        message = f"This service is not known as {host!r:.200}, so that the form may come from anywhere."
        raise HTTPException(403, f"{message} Add the name to OPS_HOSTS if it is right.")
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    # Browsers that do not say the first say the second with a form; what says neither is no browser.
    is_ours = site in _OUR_OWN if site is not None else origin is None or urlsplit(origin).netloc == host
    if not is_ours:
        raise HTTPException(403, "The form was sent by a page of another site. Open the page here, and send it again.")


def _is_known(host: str, hosts: Collection[str]) -> bool:
    """Whether `host`, with or without a port, is an address or a name of ours. Any name may lead to our address."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost") or name in hosts:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
