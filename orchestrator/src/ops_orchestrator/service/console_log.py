"""The service's log for people: one sentence a line, in columns; colours only where they are shown.

13:36:47  637d88  run of 'demo' queued: alpha, beta  run_2026-11-29T13-36-47Z_637d88
13:36:47  637d88  step alpha completed  in 31 ms
13:36:48  637d88  warning: attempt 1 failed, trying again: ...
"""

import os
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from structlog.typing import EventDict

from ops_orchestrator.runs.events import (
    AttemptFailed,
    ModuleReady,
    RunQueued,
    RunStarted,
    StepCompleted,
    StepFailed,
    StepStarted,
)
from ops_orchestrator.runs.feed import Line

_RESET: Final = "\033[0m"
_DIM: Final = "\033[2m"
_COLOURS: Final = {"warning": "\033[33m", "error": "\033[31m", "critical": "\033[31m"}
_RUN_WIDTH: Final = 6
_BEFORE_SENTENCE: Final = 18
# Narrower than this, a column for the sentence would hold two words.
_LEAST_WIDTH: Final = 40
# Without these a line says the same: they stand in its columns, or in the sentence.
_SAID: Final = frozenset({"service", "timestamp", "level", "event", "message", "run_id", "exception", "url", "trace_id"})
_NOTED_WAIT_S: Final = 0.1


class Stream(Protocol):
    """Where the log is written."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        ...

    def fileno(self) -> int:
        """Its descriptor."""
        ...


@dataclass(frozen=True)
class ConsoleLog:
    """Makes the lines, at most as wide as `width` says, in colours or without."""

    colours: bool = False
    width: Callable[[], int | None] = lambda: None

    @classmethod
    def of(cls, stream: Stream, environment: Mapping[str, str]) -> "ConsoleLog":
        """The log as it suits `stream`, and what NO_COLOR and FORCE_COLOR in `environment` say."""
        is_terminal = stream.isatty()
        shown = is_terminal and environment.get("TERM") != "dumb"
        colours = bool(environment.get("FORCE_COLOR")) or shown
        return cls(colours and not environment.get("NO_COLOR"), lambda: _width(stream) if is_terminal else None)

    def of_run(self, line: Line) -> str:
        """A line of a run's log; empty for one that was read from a file."""
        event = line.event
        if event is None:
            return ""
        what: Any = event.what
        faint = isinstance(what, RunStarted | StepStarted | ModuleReady)
        return self._line(event.at, what.level, line.run_id, what.message, _details(line), faint=faint)

    def __call__(self, _: object, __: str, event: EventDict) -> str:
        """A line of the service's own log, as a processor of structlog."""
        sentence = str(event.get("message") or event.get("event") or "")
        fields = [f"{name}={value}" for name, value in event.items() if name not in _SAID and not name.startswith("_")]
        line = self._line(
            str(event.get("timestamp", "")),
            str(event.get("level", "info")),
            str(event.get("run_id", "")),
            sentence,
            "  ".join(fields),
        )
        return line.removesuffix("\n") + "".join(f"\n  {_safe(each)}" for each in str(event.get("exception", "")).splitlines())

    def _line(self, at: str, level: str, run_id: str, sentence: str, details: str, *, faint: bool = False) -> str:  # noqa: PLR0913  # its columns
        grave = f"{level}: " if level in _COLOURS else ""
        style = _COLOURS.get(level, _DIM if faint else "")
        head = f"{at[11:19]:8}  {short_id(run_id):{_RUN_WIDTH}}  "
        rows = list(self._rows(f"{grave}{_safe(sentence)}", _safe(details)))
        text = f"\n{' ' * _BEFORE_SENTENCE}".join(self._coloured(row, style) for row in rows)
        return f"{self._coloured(head, _DIM)}{text}\n"

    def _rows(self, sentence: str, details: str) -> Iterator[str]:
        """The sentence and its details as rows that fit beside the columns; nothing is cut off."""
        text = f"{sentence}  {details}" if details else sentence
        width = self.width()
        if width is None or width < _LEAST_WIDTH or len(text) <= width - _BEFORE_SENTENCE:
            yield text
        else:
            # An address is whole, so that it can be clicked on.
            yield from textwrap.wrap(
                text, width - _BEFORE_SENTENCE, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
            )

    def _coloured(self, text: str, style: str) -> str:
        return f"{style}{text}{_RESET}" if self.colours and style and text.strip() else text


def short_id(run_id: str) -> str:
    """What tells a run from the others of its day; the line with which it begins has the whole id."""
    return _safe(run_id.rpartition("_")[2][:_RUN_WIDTH])


def duration_text(seconds: float) -> str:
    """A duration in as few characters as tell it."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _details(line: Line) -> str:
    """What the sentence leaves out and a person wants to know."""
    match line.event and line.event.what:
        case RunQueued():
            return line.run_id
        case StepStarted(url=url):
            return url
        case ModuleReady(waited_s=waited_s) if waited_s >= _NOTED_WAIT_S:
            return f"after {duration_text(waited_s)}"
        case AttemptFailed(retry_in_s=retry_in_s):
            return f"in {duration_text(retry_in_s)}"
        case StepCompleted(took_s=took_s) | StepFailed(took_s=took_s) if took_s is not None:
            return f"in {duration_text(took_s)}"
        case _:
            return ""


def _safe(text: str) -> str:
    """The text without anything that a terminal takes for a command, or that turns the order of characters round."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _width(stream: Stream) -> int | None:
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return None
