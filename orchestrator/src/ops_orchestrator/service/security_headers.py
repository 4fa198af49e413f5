"""What every answer tells a browser not to do with it, errors included."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY: Final = b"content-security-policy"
_EVERYWHERE: Final = [
    (b"x-content-type-options", b"nosniff"),
    # With less, a browser does not say of a form from which page it comes, where it is not reached through TLS.
    (b"referrer-policy", b"same-origin"),
    # Another site can neither embed what we answer, nor keep a hold of a window that shows it.
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
DATA_HEADERS: Final = [
    *_EVERYWHERE,
    # Data is no page: if a browser shows it as one, nothing is loaded, sent or run.
    (_POLICY, b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
]
"""The headers of an answer that is no page."""

INERT: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; media-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a file may do that a module or a caller wrote, as a Content-Security-Policy: be shown, with what is in it."""


class SecurityHeaders:
    """Adds to each answer of `app` what browsers have to know; a page brings a Content-Security-Policy of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_it(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_missing(message)]}
            await send(message)

        await self._app(scope, receive, send_it)


def _missing(start: Message) -> list[tuple[bytes, bytes]]:
    """What is not there yet: an answer that another worker gave has it all, and what stands twice counts for nothing."""
    present = {name.lower() for name, _ in start["headers"]}
    return [header for header in (_EVERYWHERE if _POLICY in present else DATA_HEADERS) if header[0] not in present]
