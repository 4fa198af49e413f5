"""What `ops run` says about a step that waits."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ops_orchestrator.cli.progress import waiting_note

NOW = datetime(2026, 1, 9, 12, 35, 8, tzinfo=UTC)


def line(event: str, step: str = "alpha", **fields: Any) -> bytes:
    return json.dumps({"timestamp": "2026-01-09T12:34:56.000Z", "event": event, "step": step, **fields}).encode() + b"\n"


STARTED = line("step.started", url="http://alpha.test", ready_timeout_s=30.0)


def test_module_that_is_not_ready_is_named_with_the_time_left() -> None:
    assert waiting_note(STARTED, "alpha", NOW) == "waiting for http://alpha.test to become ready, 12 s of 30 s"


@pytest.mark.parametrize(
    "log",
    [b"", STARTED + line("module.ready"), line("step.started", step="beta", url="http://beta.test"), STARTED[:40]],
)
def test_nothing_is_said_of_a_step_that_does_not_wait(log: bytes) -> None:
    assert waiting_note(log, "alpha", NOW) == ""


def test_line_that_is_still_being_written_is_passed_over() -> None:
    assert waiting_note(STARTED + line("module.ready")[:20], "alpha", NOW).startswith("waiting for")
