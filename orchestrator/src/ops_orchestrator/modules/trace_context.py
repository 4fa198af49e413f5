"""Where a run stands in a trace (W3C Trace Context): of its caller's, or of one that begins with it.

The ids of its spans are made of the ids of run and step and the number of the attempt. So whoever reads the run's record can
tell them, two processes that execute a run one after another agree, and no recipe changes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from ops_contract import sha256_hex

TRACE_HEADER: Final = "traceparent"
TRACE_RESPONSE: Final = "traceresponse"
"""The header of answers, as a later version of the recommendation drafts it."""

_TRACEPARENT: Final = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_LONGEST: Final = 512
# Whether the caller records the trace, and whether its id is random. What the others mean, later versions will say.
_KNOWN_FLAGS: Final = 0x03


def read_traceparent(values: Sequence[str]) -> str | None:
    """The header of a request, as version 00 writes it; None for one that is missing, repeated or not valid.

    A header of a later version is read as far as this one goes (section 3.2.2.1 of the recommendation).
    """
    if len(values) != 1 or len(values[0]) > _LONGEST:
        return None
    found = _TRACEPARENT.fullmatch(values[0].strip(" \t"))
    if found is None or (found["version"] == "00" and found["more"]):
        return None
    return f"00-{found['trace']}-{found['span']}-{int(found['flags'], 16) & _KNOWN_FLAGS:02x}"


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The trace of a run: `parent_id` is the span of its caller, None when the trace begins with the run."""

    run_id: str
    trace_id: str
    parent_id: str | None = None
    flags: str = "01"

    @classmethod
    def of(cls, run_id: str, traceparent: str | None) -> Self:
        """That of the run `run_id`, whose caller sent `traceparent`, see `read_traceparent`."""
        if traceparent is None:
            return cls(run_id, _trace_id(run_id))
        _, trace_id, parent_id, flags = traceparent.split("-")
        return cls(run_id, trace_id, parent_id, flags)

    def run_span(self, attempt: int) -> str:
        """The id of the span from the start, or a resume, of the run to its end."""
        return _span_id(f"{self.run_id}/{attempt}")

    def step_span(self, step: str, attempt: int) -> str:
        """The id of the span of a step; `attempt` is that of the run."""
        return _span_id(f"{self.run_id}/{attempt}/{step}")

    def call_span(self, step: str, attempt: int) -> str:
        """The id of the span of one attempt of a step, counted from 1 over all attempts of the run."""
        return _span_id(f"{self.run_id}/{step}/{attempt}")

    def header(self, span_id: str) -> str:
        """The header that says that what is asked belongs to this span."""
        return f"00-{self.trace_id}-{span_id}-{self.flags}"


@lru_cache(maxsize=1024)
def _trace_id(run_id: str) -> str:
    return sha256_hex(run_id.encode())[:32]


def _span_id(name: str) -> str:
    return sha256_hex(name.encode())[:16]
