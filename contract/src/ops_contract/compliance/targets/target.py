"""A target of a check, of whatever kind."""

from dataclasses import dataclass

from ops_contract.compliance.targets.image_under_test import ImageUnderTest


@dataclass(frozen=True)
class Target:
    """A module at `url`, and the name that reports give it.

    `container` is set when the kit started an image itself, and `unreachable` when it is already known that nothing answers.
    `behind` is the address of the module itself when `url` is that of its adapter, and `served_by` the command that serves
    it there again after the check. `secrets` are values that the module was
    given and that no report may show.
    """

    url: str
    name: str
    image_digest: str | None = None
    container: ImageUnderTest | None = None
    unreachable: str | None = None
    behind: str | None = None
    served_by: str = ""
    secrets: tuple[str, ...] = ()

    @classmethod
    def at(cls, url: str) -> "Target":
        """A module that is running already."""
        return cls(url=url, name=url)
