import json
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console, RenderableType

from ops_orchestrator.cli.display import log_text, modules_table, plain, run_view, runs_table
from ops_orchestrator.runs.events import Status

HOSTILE = "[bold]x[/boom]\x1b]0;owned\x07\x1b[2J"


def shown(renderable: RenderableType, width: int = 120) -> str:
    """What a terminal of `width` columns would be sent, less colours."""
    console = Console(file=StringIO(), width=width, force_terminal=False)
    console.print(renderable)
    return str(console.file.getvalue())  # type: ignore[attr-defined]  # the StringIO from above


def record(**fields: Any) -> dict[str, Any]:
    step = {
        "id": "alpha",
        "module": "alpha",
        "status": "completed",
        "module_version": "1.2.3",
        "attempts": 1,
        "started_at": "2026-01-09T12:34:56.000Z",
        "finished_at": "2026-01-09T12:34:57.500Z",
    }
    base = {"run_id": "run_1", "status": "completed", "steps": [step], "fingerprints": {"result": "f" * 64}, "error": None}
    return {**base, **fields}


def results(**outputs: Any) -> dict[str, Any]:
    return {"results": {"alpha": {**outputs, "artifacts": ["plot.png"]}}}


def test_run_shows_steps_figures_artifacts_and_folder() -> None:
    text = shown(run_view(record(), results(kpis={"growth": 0.0213, "name": "x"}), Path("runs/run_1")))
    for expected in ("✓ completed run_1", "1.2.3", "1.50 s", "growth", "0.0213", "alpha/plot.png", "runs/run_1/", "f" * 64):
        assert expected in text


@pytest.mark.parametrize("status", get_args(Status))
def test_run_of_every_status_can_be_shown(status: str) -> None:
    assert f"{status} run_1" in shown(run_view(record(status=status), {"results": {}}, Path("runs/run_1")))


def test_failed_run_shows_its_error() -> None:
    text = shown(run_view(record(status="failed", error={"message": "alpha broke"}), {"results": {}}, Path("runs/run_1")))
    assert "✗ failed" in text
    assert "alpha broke" in text


@pytest.mark.parametrize(
    "renderable",
    [
        run_view(record(error={"message": HOSTILE}), results(kpis={HOSTILE: HOSTILE}), Path("runs")),
        run_view(record(steps=[{**record()["steps"][0], "module_version": HOSTILE}]), results(), Path("runs")),
        modules_table([{"name": "alpha", "ready": True, "version": HOSTILE, "url": "http://a"}]),
        runs_table([{"run_id": "run_1", "status": "failed", "scenario_id": HOSTILE, "fingerprints": {"result": None}}]),
        log_text(json.dumps({"level": "error", "timestamp": "now", "message": HOSTILE}).encode()),
        log_text(HOSTILE.encode()),
    ],
)
def test_text_from_a_module_is_neither_markup_nor_obeyed_by_the_terminal(renderable: RenderableType) -> None:
    text = shown(renderable)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold]x[/boom]" in text


def test_module_that_tells_no_version_has_empty_cells() -> None:
    untold = {"name": "alpha", "ready": True, "version": None, "contract_versions": None, "url": "http://a"}
    assert shown(modules_table([untold])).splitlines()[1].split() == ["alpha", "ready", "http://a"]


def test_torn_line_of_a_log_is_shown_as_it_is() -> None:
    assert shown(log_text(b'{"timestamp": "2026')) == '{"timestamp": "2026\n'


def test_plain_text_keeps_what_people_write() -> None:
    assert plain("Dominican Republic: 18 % é ✓").plain == "Dominican Republic: 18 % é ✓"
