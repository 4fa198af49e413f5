"""When an answer was made, as its `Date` says."""

from email.utils import formatdate

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Dated"]


class Dated:
    """Gives each answer of `app` the time, except one that has a `Date` of its own: that of the service that was recorded.

    A web server would add a second one to that.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""

        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start" and all(name.lower() != b"date" for name, _ in message["headers"]):
                message["headers"] = [*message["headers"], (b"date", formatdate(usegmt=True).encode())]
            await send(message)

        await self._app(scope, receive, send_dated)
