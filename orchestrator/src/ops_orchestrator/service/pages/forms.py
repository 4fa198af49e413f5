"""Forms that a browser sends: only from our own pages, and not larger than they need be."""

from typing import Final
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

from ops_orchestrator.service.own_pages import refuse_foreign

MOST_BYTES: Final = 1024 * 1024
"""A form has at most so many bytes."""

_MOST_FIELDS: Final = 1000
_FORM: Final = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> dict[str, list[str]]:
    """The fields of a form, each with its values.

    Raises HTTPException: 403 for a form that another site sends, 413 and 415 for one that no page of ours has.
    """
    refuse_foreign(request)
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
