"""The state of a stub that staged violations need: running executions, earlier answers, drift."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ops_stubs.faults.exchange import Key, Received

__all__ = ["Activity", "Overlap"]


@dataclass(eq=False)
class Overlap:
    """Whether another execution ran at any time during this one."""

    happened: bool = False


@dataclass
class Activity:
    """The state of the staged violations. Used in the event loop; executions in threads use `lock`."""

    executes: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    has_failed: bool = False
    answered: Counter[Key] = field(default_factory=Counter)
    calls: dict[Key, list[bytes]] = field(default_factory=dict)
    drift: int = 0
    latest: str = ""
    seed: Any = None
    history: list[tuple[Received, str]] = field(default_factory=list)
    bodies: dict[Key, dict[str, Any]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    _executions: set[Overlap] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.idle.set()

    def forget(self) -> None:
        """Reset everything except what describes running calls."""
        self.has_failed = False
        self.answered.clear()
        self.history.clear()
        self.bodies.clear()
        with self.lock:
            self.drift, self.latest = 0, ""

    @contextmanager
    def executing(self) -> Iterator[None]:
        """Counts a request for an execution, from its arrival to its answer."""
        self.executes += 1
        self.idle.clear()
        try:
            yield
        finally:
            self.executes -= 1
            if not self.executes:
                self.idle.set()

    @contextmanager
    def overlapping(self) -> Iterator[Overlap]:
        """Watches an execution, in whatever thread, for others that run meanwhile."""
        overlap = Overlap()
        with self.lock:
            self._executions.add(overlap)
            if len(self._executions) > 1:
                for each in self._executions:
                    each.happened = True
        try:
            yield overlap
        finally:
            with self.lock:
                self._executions.discard(overlap)
