"""How often something is done in this process, counted by Python's own profiler in all threads that begin meanwhile."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

_OURS: Final = ("/ops_orchestrator/", "/ops_contract/")
_OPENERS: Final = ("open",)
_ENCODERS: Final = ("dumps", "to_json")
_HOPS: Final = ("run_in_executor", "call_soon_threadsafe")


@contextmanager
def counted_calls() -> Iterator[Counter[str]]:
    """Count while the block runs: `files opened` by our own code, `JSON texts written`, and `thread hops` of the event loop."""
    counts: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, called: Any) -> None:
        code = frame.f_code
        if event == "c_call" and called.__name__ in _OPENERS:
            counts["files opened"] += _is_ours(code.co_filename)
        elif event == "c_call" and called.__name__ in _ENCODERS:
            counts["JSON texts written"] += _is_ours(code.co_filename) or "/pydantic/" in code.co_filename
        elif event == "call" and code.co_name in _HOPS:
            counts["thread hops"] += "/asyncio/" in code.co_filename

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield counts
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def _is_ours(path: str) -> bool:
    return any(package in path for package in _OURS)
