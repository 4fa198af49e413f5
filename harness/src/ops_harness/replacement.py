"""A module of one's own in the place of a stub, as `--ops-with NAME=IMAGE|URL` gives it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ops_contract import suggestion
from ops_harness.errors import HarnessError

_THIS_MACHINE: Final = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Replacement:
    """`module` is served by `target`: a container image, or a base URL where it listens already."""

    module: str
    target: str

    @property
    def is_image(self) -> bool:
        """Must a container be started for it?"""
        return "://" not in self.target

    @property
    def url_from_container(self) -> str:
        """The base URL as a container of the stack reaches it, for which this machine has another name."""
        parts = urlsplit(self.target)
        if parts.hostname not in _THIS_MACHINE:
            return self.target
        return parts._replace(netloc="host.docker.internal" + (f":{parts.port}" if parts.port else "")).geturl()


def read_replacement(text: str) -> Replacement:
    """NAME=IMAGE or NAME=URL. Raises HarnessError."""
    name, separator, target = text.partition("=")
    if not name or not separator or not target:
        raise HarnessError(f"{text!r} is not NAME=IMAGE or NAME=URL, such as policy-simulator=http://127.0.0.1:9000")
    replacement = Replacement(name, target.rstrip("/"))
    if not replacement.is_image and (urlsplit(target).scheme not in ("http", "https") or not urlsplit(target).hostname):
        raise HarnessError(f"{target!r} is not a base URL; write one like http://127.0.0.1:9000")
    return replacement


def read_replacements(replacing: Iterable[str], adding: Iterable[str], known: Collection[str] | None) -> list[Replacement]:
    """What `--ops-with` puts in the place of `known` modules, and what `--ops-add` puts beside them.

    `known` is None where a file of the test's own says which modules there are. Raises HarnessError.
    """
    replaced, added = ([read_replacement(text) for text in texts] for texts in (replacing, adding))
    if known is None:
        return [*replaced, *added]
    for one in replaced:
        if one.module not in known:
            hint = suggestion(one.module, known) or f"its modules are {', '.join(sorted(known))}."
            raise HarnessError(
                f"the stack has no module {one.module!r}; {hint} "
                f"A module of a new name is added with --ops-add {one.module}={one.target}"
            )
    for one in added:
        if one.module in known:
            raise HarnessError(
                f"the stack has a module {one.module!r} already; "
                f"put yours in its place with --ops-with {one.module}={one.target}"
            )
    return [*replaced, *added]


def addresses(replacements: Iterable[Replacement]) -> dict[str, str]:
    """The base URLs by module of those that listen already."""
    return {one.module: one.target for one in replacements if not one.is_image}
