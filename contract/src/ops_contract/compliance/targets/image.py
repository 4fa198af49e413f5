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
    """Start the image `name` as the stack would; everything of it is gone afterwards, also after a cancellation.

    When it does not get ready the target says why it is unreachable. Raises TargetError without an engine or an image.
    """
    if settings.logs is not None:
        try:
            settings.logs.write_bytes(b"")
        except OSError as error:
            raise TargetError(f"cannot write {settings.logs}: {error.strerror}", ExitCode.USAGE) from error
    client = await in_background(connect)
    with closing(client):
        image = await in_background(lambda: find_image(client, name, say))
        tested = ImageUnderTest(client, image, settings, say)
        try:
            main = await _started(tested, say)
            yield Target(
                url=main.url,
                name=name,
                image_digest=digest_of(image),
                container=tested,
                unreachable=main.failure,
                secrets=tested.secrets,
            )
        finally:
            tested.remove()


async def _started(tested: ImageUnderTest, say: Say) -> Start:
    """As the stack does it; then, so that the rest can be checked, with one requirement less at a time."""
    start = await tested.start(hardened=True)
    if start.failure is not None:
        say(f"{start.failure}; trying without the hardening")
        start = await tested.start(hardened=False)
    if start.failure is not None:
        say(f"{start.failure}; trying another port, with OPS_PORT")
        start = await tested.start(hardened=True, port=other_port())
    return tested.main


def other_port() -> int:
    """A port that no image listens on unless it is told to."""
    return 20_000 + secrets.randbelow(10_000)
