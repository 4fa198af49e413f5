"""Where runs and sweeps are kept in a bucket: `s3://BUCKET/PREFIX`."""

from dataclasses import dataclass, replace
from typing import Final, Self

_SCHEME: Final = "s3://"
_RUNS: Final = "runs"
_SWEEPS: Final = "sweeps"


@dataclass(frozen=True)
class BucketAddress:
    """A bucket, and what the names of all objects in it begin with; `prefix` may be empty, and ends without a slash.

    `kind` follows the prefix, and says what is kept there.
    """

    bucket: str
    prefix: str
    kind: str = _RUNS

    @classmethod
    def of(cls, text: str) -> Self:
        """The address that `text` writes, which the settings have checked."""
        bucket, _, prefix = text.removeprefix(_SCHEME).partition("/")
        return cls(bucket, prefix.strip("/"))

    @property
    def sweeps(self) -> Self:
        """The address of the sweeps beside the runs."""
        return replace(self, kind=_SWEEPS)

    @property
    def objects(self) -> str:
        """The prefix of all runs, or sweeps, without a slash at its end."""
        return f"{self.prefix}/{self.kind}" if self.prefix else self.kind

    def location(self, name: str) -> str:
        """Where people find a run, or a sweep."""
        return f"{_SCHEME}{self.bucket}/{self.objects}/{name}"

    def __str__(self) -> str:
        return f"{_SCHEME}{self.bucket}/{self.prefix}".rstrip("/")
