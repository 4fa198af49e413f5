"""Where runs are kept in a bucket: `s3://BUCKET/PREFIX`."""

from dataclasses import dataclass
from typing import Final, Self

_SCHEME: Final = "s3://"
_RUNS: Final = "runs"


@dataclass(frozen=True)
class BucketAddress:
    """A bucket, and what the names of all objects in it begin with; `prefix` may be empty, and ends without a slash."""

    bucket: str
    prefix: str

    @classmethod
    def of(cls, text: str) -> Self:
        """The address that `text` writes, which the settings have checked."""
        bucket, _, prefix = text.removeprefix(_SCHEME).partition("/")
        return cls(bucket, prefix.strip("/"))

    @property
    def runs(self) -> str:
        """The prefix of all runs, without a slash at its end."""
        return f"{self.prefix}/{_RUNS}" if self.prefix else _RUNS

    def of_run(self, run_id: str) -> str:
        """Where people find a run."""
        return f"{_SCHEME}{self.bucket}/{self.runs}/{run_id}"

    def __str__(self) -> str:
        return f"{_SCHEME}{self.bucket}/{self.prefix}".rstrip("/")
