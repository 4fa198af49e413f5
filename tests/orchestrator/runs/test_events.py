"""Events are written as lines of a log and read back."""

import json
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from ops_orchestrator.runs.event_reader import LogError, read_event
from ops_orchestrator.runs.events import (
    Event,
    ExchangeRecord,
    Fingerprints,
    Occurrence,
    PlannedModule,
    Reproduction,
    RunStarted,
    Unknown,
)
from ops_orchestrator.runs.run_file import FileRef

RUN_ID = "run_2026-01-09T12-34-56Z_ab12cd"
REQUEST = {"scenario_id": "demo", "modules": ["alpha"], "inputs": {}, "run_options": {}}
VALUES: dict[str, Any] = {
    "request": REQUEST,
    "plan": [{"step": 1, "module": "alpha", "action": "execute"}],
    "steps": (PlannedModule("alpha", "alpha", "execute"),),
    "versions": {"python": None},
    "error": {"code": "X", "message": "broke"},
    "exchange": ExchangeRecord("POST", "http://a", 200, "a", "b"),
    "files": (FileRef("a/b", "c", 3),),
    "fingerprints": Fingerprints("a", "b"),
    "reproduction": Reproduction("current", offline=True, rel=0.1, grade="different", steps={"a": "different"}, cause="so"),
    "contract_versions": ("1.0",),
    "warnings": ("careful",),
    "artifacts": ("a.txt",),
    "synthetic": True,
    "status": "failed",
    "attempt": 2,
    "attempts": 2,
    "waited_s": 0.5,
    "retry_in_s": 0.5,
    "took_s": 0.5,
    "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
    "ready_timeout_s": 1.0,
}


def event(kind: type[Any], *, bare: bool) -> Event:
    """An event of this kind with all of its fields, or, if `bare`, with those that it cannot be without."""
    needed = [each.name for each in fields(kind) if not bare or each.default is MISSING]
    return Event(run_id=RUN_ID, seq=7, what=kind(**{name: VALUES.get(name, "text") for name in needed}))


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("kind", get_args(Occurrence), ids=lambda kind: kind.name)
def test_event_that_is_written_is_read_as_it_was(kind: type[Any], bare: bool) -> None:
    written = event(kind, bare=bare)
    assert read_event(written.as_line().rstrip(), RUN_ID, 7) == written


def test_fields_and_kinds_that_nobody_knows_are_ignored() -> None:
    known = event(RunStarted, bare=True)
    line = json.loads(known.as_line())
    assert read_event(json.dumps({**line, "more": [1]}).encode(), RUN_ID, 7) == known
    assert read_event(json.dumps({**line, "event": "run.blessed"}).encode(), RUN_ID, 7).what == Unknown("run.blessed")


def test_line_of_another_run_or_place_is_refused() -> None:
    line = event(RunStarted, bare=True).as_line()
    for run_id, seq in ((RUN_ID, 8), ("run_2026-01-09T12-34-56Z_000000", 7)):
        with pytest.raises(LogError, match=f"is not event {seq} of {run_id}"):
            read_event(line, run_id, seq)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{}", "/seq: is required"),
        (b"null", "it is not a JSON object"),
        (b'{"seq":"x","run_id":1,"event":"a","timestamp":"b"}', "/seq: must be an integer, not 'x'"),
    ],
)
def test_line_that_is_not_an_event_is_refused_in_one_plain_sentence(line: bytes, reason: str) -> None:
    with pytest.raises(LogError) as refused:
        read_event(line, RUN_ID, 7)
    assert str(refused.value) == f"line 7 is not an event: {reason}"


def test_line_that_is_longer_than_any_event_is_not_read() -> None:
    with pytest.raises(LogError, match="line 7 is not an event: it has more than 67,108,864 bytes"):
        read_event(b" " * 2**26 + b"{}", RUN_ID, 7)


def test_event_has_the_time_at_which_it_was_made() -> None:
    before = datetime.now(UTC)
    times = [datetime.fromisoformat(event(RunStarted, bare=True).at) for _ in range(2)]
    after = datetime.now(UTC)
    assert before - timedelta(milliseconds=1) < times[0] <= times[1] <= after
