"""A team's module in the place of a stub of the Compose stack."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ops_contract import suggestion
from ops_orchestrator.errors import ConfigurationError

_THIS_HOST: Final = ("localhost", "127.0.0.1", "[::1]")
_HOST_FROM_INSIDE: Final = "host.docker.internal"


@dataclass(frozen=True)
class Swap:
    """`module` served by `image`, or by whoever answers at `url`; one of the two is None."""

    module: str
    image: str | None = None
    url: str | None = None

    @property
    def target(self) -> str:
        """The image or URL that takes the stub's place."""
        return self.image or self.url or ""

    @property
    def url_from_inside(self) -> str | None:
        """The address as a container of the stack reaches it: this machine has another name there."""
        if self.url is None:
            return None
        parts = urlsplit(self.url)
        host, port = parts.netloc.rpartition(":")[::2] if parts.port else (parts.netloc, "")
        if host not in _THIS_HOST:
            return self.url
        return parts._replace(netloc=f"{_HOST_FROM_INSIDE}:{port}" if port else _HOST_FROM_INSIDE).geturl()


def read_swap(text: str, modules: Collection[str]) -> Swap:
    """`MODULE=IMAGE` or `MODULE=URL`, MODULE one of `modules`. Raises ConfigurationError."""
    module, separator, target = text.partition("=")
    if not separator or not target:
        raise ConfigurationError(f"{text!r} names no image; write MODULE=IMAGE or MODULE=URL")
    if module not in modules:
        hint = suggestion(module, modules) or f"there are: {', '.join(modules)}"
        raise ConfigurationError(f"the stack has no module {module!r}; {hint}")
    if "://" not in target:
        return Swap(module, image=target)
    if urlsplit(target).scheme not in ("http", "https") or not urlsplit(target).hostname:
        raise ConfigurationError(f"{target!r} is not a base URL; write one like http://localhost:9000")
    return Swap(module, url=target)


def override(swaps: Iterable[Swap]) -> str:
    """The Compose file that puts the images in the stubs' places; the hardening of the stack's own file stays."""
    services = "".join(
        f"  {swap.module}:\n"
        f"    image: {json.dumps(swap.image)}\n"
        "    build: !reset null\n"
        "    command: !reset null\n"
        "    pull_policy: missing\n"
        for swap in swaps
        if swap.image
    )
    return f"services:\n{services}" if services else "services: {}\n"


def variables(swaps: Iterable[Swap]) -> dict[str, str]:
    """What the stack takes from the environment for modules that are served outside of it."""
    return {f"{swap.module.upper().replace('-', '_')}_URL": swap.url_from_inside for swap in swaps if swap.url_from_inside}
