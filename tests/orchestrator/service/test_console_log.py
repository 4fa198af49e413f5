"""The service's log for people: sentences in columns, and nothing that a terminal would obey."""

import io
import os
import pty
from pathlib import Path
from typing import Any

import httpx2
import pytest
from local_service import ROOT, started
from scripted_module import ScriptedModule, StartService, error_envelope, success

from ops_orchestrator.runs.events import Event, Occurrence, RunQueued, StepFailed, StepStarted
from ops_orchestrator.runs.feed import Line
from ops_orchestrator.service.console_log import ConsoleLog, duration_text
from ops_orchestrator.service.service_log import RunLog

RUN_ID = "run_2026-11-29T13-36-47Z_637d88"
QUEUED = RunQueued(request={"scenario_id": "demo"}, plan=[], steps=(), versions={}, modules_sha256="x")
FAILED = StepFailed(step="alpha", module="alpha", attempts=1, error={"code": "X", "message": "it broke " * 12}, took_s=0.25)


class Terminal(io.BytesIO):
    """A stream that says that it is a terminal, or not."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def line(what: Occurrence) -> Line:
    event = Event(run_id=RUN_ID, seq=1, what=what, at="2026-11-29T13:36:47.123Z")
    return Line(RUN_ID, 1, event.as_line(), is_last=False, event=event, queued=QUEUED)


def test_run_begins_with_its_whole_id_and_goes_on_with_the_end_of_it() -> None:
    shown = ConsoleLog().of_run(line(QUEUED)) + ConsoleLog().of_run(line(FAILED))
    assert shown.splitlines()[0] == f"13:36:47  637d88  run of 'demo' queued:   {RUN_ID}"
    assert shown.splitlines()[1] == f"13:36:47  637d88  error: step alpha failed: {FAILED.error['message']}  in 250 ms"


def test_sentence_that_is_longer_than_the_terminal_goes_on_in_its_column() -> None:
    rows = ConsoleLog(width=lambda: 60).of_run(line(FAILED)).splitlines()
    assert max(map(len, rows)) <= 60
    assert [row[:18].strip() for row in rows] == ["13:36:47  637d88", *[""] * (len(rows) - 1)]
    assert " ".join(row[18:] for row in rows).split() == f"error: {FAILED.message} in 250 ms".split()


def test_address_is_whole_however_narrow_the_terminal_is() -> None:
    url = f"http://module.test/{'a' * 90}"
    what = StepStarted(step="alpha", module="alpha", url=url, ready_timeout_s=1.0)
    assert url in ConsoleLog(width=lambda: 50).of_run(line(what)).split()


def test_nothing_that_a_module_writes_reaches_the_terminal_as_a_command() -> None:
    hostile = {"code": "X", "message": "\x1b[31mred\x07\u202egnol\r\nnext"}
    shown = ConsoleLog().of_run(line(StepFailed(step="alpha", module="alpha", attempts=1, error=hostile)))
    assert shown.count("\n") == 1
    assert shown.rstrip("\n").isprintable()
    assert r"\x1b[31mred\x07\u202egnol\r\nnext" in shown
    own = ConsoleLog()(None, "error", {"event": "http.errored", "path": "\x1b[2J", "exception": "Traceback:\n  \x1b[2J"})
    assert own.splitlines() == [f"{'':18}http.errored  path=\\x1b[2J", "  Traceback:", "    \\x1b[2J"]


@pytest.mark.parametrize(
    ("is_terminal", "variables", "colours"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (True, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colours_are_shown_where_they_are_seen_or_wanted(
    *, is_terminal: bool, variables: dict[str, str], colours: bool
) -> None:
    shown = ConsoleLog.of(Terminal(is_terminal=is_terminal), variables).of_run(line(FAILED))
    assert ("\x1b[31m" in shown) is colours


@pytest.mark.parametrize(("log_format", "is_terminal", "as_json"), [
    ("auto", True, False),
    ("auto", False, True),
    ("json", True, True),
    ("console", False, False),
])  # fmt: skip
def test_log_is_for_people_on_a_terminal_alone_unless_said_otherwise(
    log_format: Any, *, is_terminal: bool, as_json: bool
) -> None:
    stream = Terminal(is_terminal=is_terminal)
    RunLog(log_format, stream).take([line(QUEUED)])
    assert stream.getvalue().startswith(b"{") is as_json


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0004, "0 ms"), (0.031, "31 ms"), (2.34, "2.3 s"), (61, "1 min 1 s"), (7260, "2 h 1 min")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


async def test_whole_run_reads_well(start_service: StartService, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    alpha = ScriptedModule("alpha", answers=[success("alpha")])
    beta = ScriptedModule("beta", answers=[httpx2.Response(422, json=error_envelope("beta"))])
    async with start_service(alpha, beta, log_format="console") as client:
        run_id = (await client.post("/plan_and_execute", json={"scenario_id": "demo", "modules": ["alpha", "beta"]})).json()[
            "run_id"
        ]
    rows = capfdbinary.readouterr().err.decode().splitlines()
    assert {row[10:16] for row in rows} == {run_id[-6:]}
    assert [row[18:].split("  ")[0] for row in rows if "warning" not in row] == [
        "run of 'demo' queued: alpha, beta",
        "run started",
        "step alpha started",
        "alpha 1.2.3 is ready",
        "step beta started",
        "beta 1.2.3 is ready",
        "error: step beta failed: beta answers INVALID_INPUT: vat_rate is 7, but a rate is at most 0.5",
        "error: run failed",
    ]


@pytest.mark.slow
def test_service_that_is_started_on_a_terminal_says_where_to_open_it(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    given: dict[str, Any] = {"OPS_MODULES_FILE": str(ROOT / "modules.yaml"), "OPS_WORKERS": "2", "NO_COLOR": "1"}
    with started(tmp_path, "ops", "serve", "--port", "0", stderr=theirs, **given):
        os.close(theirs)
        with os.fdopen(ours, encoding="utf-8") as terminal:
            shown = terminal.readline()
    assert shown[18:].startswith("open http://127.0.0.1:")
