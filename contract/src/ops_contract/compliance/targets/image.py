"""A container image that the kit starts itself, and removes."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Final

from ops_contract.compliance.result import ExitCode
from ops_contract.compliance.targets.engine import Say, connect, digest_of, find_image, in_background
from ops_contract.compliance.targets.errors import TargetError
from ops_contract.compliance.targets.image_under_test import ImageUnderTest, Settings, Start
from ops_contract.compliance.targets.target import Target

_DEFAULTS: Final = Settings()


@asynccontextmanager
async def image_target(name: str, settings: Settings = _DEFAULTS, say: Say = lambda _: None) -> AsyncIterator[Target]:
    """Start the image `name` as the stack would; everything that was started is removed, also after a cancellation.

    When it does not become ready, the target says why it is unreachable. Raises TargetError without an engine or an image.
    """
    if settings.logs is not None:
        try:
            settings.logs.write_bytes(b"")
        except OSError as error:
            raise TargetError(f"cannot write {settings.logs}: {error.strerror}", ExitCode.USAGE) from error
    client = await in_background(connect)
    with closing(client):
        image = await in_background(lambda: find_image(client, name, say))
        image_under_test = ImageUnderTest(client, image, settings, say)
        try:
            main = await _started(image_under_test, say)
            yield Target(
                url=main.url,
                name=name,
                image_digest=digest_of(image),
                container=image_under_test,
                unreachable=main.failure,
                secrets=image_under_test.secrets,
            )
        finally:
            image_under_test.remove()


async def _started(image_under_test: ImageUnderTest, say: Say) -> Start:
    """Start it as the stack does; if that fails, with one requirement less at a time, so that the rest can be checked."""
    start = await image_under_test.start(hardened=True)
    if start.failure is not None:
        say(f"{start.failure}; trying without the hardening")
        start = await image_under_test.start(hardened=False)
    if start.failure is not None:
        say(f"{start.failure}; trying another port, with OPS_PORT")
        start = await image_under_test.start(hardened=True, port=other_port())
    return image_under_test.main


def other_port() -> int:
    """A port on which no image listens by default."""
    return 20_000 + secrets.randbelow(10_000)
