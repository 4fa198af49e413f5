"""What the checks need to know of a target, whatever it is."""

from dataclasses import dataclass

from ops_contract.compliance.targets.image_under_test import ImageUnderTest


@dataclass(frozen=True)
class Target:
    """A module that can be reached at `url`, and what people call it.

    `container` is there when the kit started an image itself; `unreachable` says why it is known beforehand that nothing
    answers. `behind` is the address of the module itself when `url` is that of its adapter. `secrets` are what the module was
    given and no report may show.
    """

    url: str
    name: str
    image_digest: str | None = None
    container: ImageUnderTest | None = None
    unreachable: str | None = None
    behind: str | None = None
    secrets: tuple[str, ...] = ()

    @classmethod
    def at(cls, url: str) -> "Target":
        """What somebody else started at `url`."""
        return cls(url=url, name=url)
