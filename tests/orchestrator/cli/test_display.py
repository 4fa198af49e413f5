import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console, RenderableType

from ops_orchestrator.cli.display import log_text, plain, run_view, steps_view
from ops_orchestrator.cli.tables import modules_view, runs_table
from ops_orchestrator.cli.terminal import show
from ops_orchestrator.cli.waiting import show_run
from ops_orchestrator.runs.events import Status

HOSTILE = "[bold]x[/boom]\x1b]0;owned\x07\x1b[2J"


def shown(renderable: RenderableType, width: int = 120) -> str:
    """What a terminal of `width` columns would be sent, less colours."""
    console = Console(file=StringIO(), width=width, force_terminal=False)
    console.print(renderable)
    return str(console.file.getvalue())  # type: ignore[attr-defined]  # the StringIO from above


def coloured(renderable: RenderableType) -> str:
    """What a terminal would be sent."""
    console = Console(file=StringIO(), width=120, force_terminal=True, color_system="standard")
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


def test_run_in_a_bucket_is_shown_with_its_address(capsys: pytest.CaptureFixture[str]) -> None:
    show_run(record(), results(), "s3://policy-runs/prod/runs/run_1/", as_json=False)
    assert "s3://policy-runs/prod/runs/run_1/" in capsys.readouterr().out


def test_run_shows_steps_figures_artifacts_and_folder() -> None:
    text = shown(run_view(record(), results(kpis={"growth": 0.0213, "name": "x"}), Path("runs/run_1")))
    for expected in ("✓ completed run_1", "1.2.3", "1.50 s", "growth", "0.0213", "alpha/plot.png", "runs/run_1/", "f" * 64):
        assert expected in text


@pytest.mark.parametrize("status", get_args(Status))
def test_run_of_every_status_can_be_shown(status: str) -> None:
    assert f"{status} run_1" in shown(run_view(record(status=status), {"results": {}}, Path("runs/run_1")))


@pytest.mark.parametrize("status", ["damaged", "x" * 50])
def test_status_that_is_not_known_yet_is_shown_as_it_is(status: str) -> None:
    text = shown(
        run_view(record(status=status, steps=[{**record()["steps"][0], "status": status}]), {"results": {}}, Path("x"))
    )
    assert f"? {status}" in text


def test_completed_run_with_warnings_is_not_green_and_lists_them_below_their_step() -> None:
    alpha, beta = record()["steps"][0], {**record()["steps"][0], "id": "beta", "module": "beta"}
    warned = record(steps=[{**alpha, "warnings": ["half of the data is missing", HOSTILE]}, beta])
    view = run_view(warned, results(), Path("runs"))
    title, _, first, warning, _, second = shown(view).splitlines()[:6]
    assert title == "✓ completed, 2 warnings run_1"
    assert first.split()[:2] == ["✓", "alpha"]
    assert warning == "    ▲ half of the data is missing"
    assert second.split()[:2] == ["✓", "beta"]
    assert "\x1b[1;33m✓ completed, 2 warnings" in coloured(view)
    assert coloured(view).count("\x1b[32m✓") == 1  # beta's


def test_artifact_of_which_no_file_is_kept_is_marked() -> None:
    unkept = {"steps": {"alpha": {"artifacts": [{"name": "plot.png", "path": None}]}}}
    text = shown(run_view(record(), results() | unkept, Path("runs")))
    assert "alpha/plot.png (hash only)" in text


def test_many_warnings_are_counted() -> None:
    text = shown(run_view(record(steps=[{**record()["steps"][0], "warnings": ["x"] * 5000}]), results(), Path("runs")))
    assert "completed, 5000 warnings" in text
    assert "and 4990 more; --json shows all" in text


def test_made_up_figures_are_called_synthetic_in_title_step_and_figures() -> None:
    outputs = results(kpis={"growth": 0.0213})
    evidence = {"steps": {"alpha": {"evidence": [{"id": "e1", "synthetic": True}]}}}
    lines = shown(run_view(record(), outputs | evidence, Path("runs"))).splitlines()
    assert lines[0] == "✓ completed run_1  synthetic data"
    assert lines[2].endswith("synthetic")
    assert "Headline figures of alpha  synthetic" in lines


def test_figures_have_units_and_change_against_the_baseline() -> None:
    outputs = results(kpis={"deficit": 0.0423}, units={"deficit": "share_of_gdp"}, baseline={"deficit": 0.045})
    lines = shown(run_view(record(), outputs, Path("runs"))).splitlines()
    assert "figure    value    change  baseline  unit" in [line.strip() for line in lines]
    assert "deficit  4.23 %  -0.27 pp    4.50 %  of gdp" in [line.strip() for line in lines]


def test_figures_beyond_the_limit_are_counted() -> None:
    text = shown(run_view(record(), results(kpis={f"k{number}": number for number in range(3000)}), Path("runs")))
    assert "and 2980 more; --json shows all" in text


def test_fingerprints_say_what_they_are() -> None:
    text = shown(run_view(record(fingerprints={"recipe": "a" * 64, "result": "b" * 64}), results(), Path("runs")))
    assert f"recipe     {'a' * 64}  what was run" in text
    assert f"result     {'b' * 64}  what was found" in text


def test_list_of_runs_counts_warnings_marks_synthetic_ones_and_says_what_is_damaged() -> None:
    fingerprints = {"result": "abcdef0123"}
    fine = {"run_id": "run_1", "status": "completed", "scenario_id": "demo", "fingerprints": fingerprints}
    damaged = {
        "run_id": "run_2",
        "status": "damaged",
        "reason": "no run.json",
        "scenario_id": None,
        "fingerprints": {"result": None},
    }
    rows: list[dict[str, Any]] = [fine, {**fine, "warnings": 3, "synthetic": True}, damaged]
    head, *lines = (line.split() for line in shown(runs_table(rows)).splitlines())
    assert head == ["run", "status", "warnings", "result", "data", "scenario"]
    assert lines[0] == ["run_1", "completed", "abcdef01", "demo"]
    assert lines[1] == ["run_1", "completed", "3", "abcdef01", "synthetic", "demo"]
    assert lines[2] == ["run_2", "damaged", "no", "run.json"]


def test_list_of_runs_on_a_narrow_terminal_has_a_field_a_line() -> None:
    run_id = "run_2026-01-09T12-34-56Z_ab12cd"
    run = {"run_id": run_id, "status": "completed", "scenario_id": "vat-raised-to-20", "fingerprints": {"result": None}}
    entry = [run_id, "  status    completed", "  scenario  vat-raised-to-20"]
    lines = [line.rstrip() for line in shown(runs_table([run, run]), width=50).splitlines()]
    assert lines == [*entry, "", *entry]
    assert shown(runs_table([run, run]), width=60).startswith("run  ")


def test_seconds_of_a_step_under_way_are_counted_up_to_now() -> None:
    running = record(status="running", steps=[{**record()["steps"][0], "status": "running", "finished_at": None}])
    assert "12.5 s" in shown(steps_view(running, datetime(2026, 1, 9, 12, 35, 8, 500_000, tzinfo=UTC)))
    assert "0.0 s" in shown(steps_view(running, datetime(2026, 1, 9, 12, 0, tzinfo=UTC)))


def test_failed_run_shows_its_error_and_the_next_command() -> None:
    failed = record(status="failed", error={"message": "alpha broke"}, format=2)
    text = shown(run_view(failed, {"results": {}}, Path("runs/run_1")))
    assert "✗ failed" in text
    assert text.splitlines()[-2:] == ["alpha broke", "Next: ops runs resume run_1"]


@pytest.mark.parametrize(
    "renderable",
    [
        run_view(record(error={"message": HOSTILE}), results(kpis={HOSTILE: HOSTILE}), Path("runs")),
        run_view(record(steps=[{**record()["steps"][0], "module_version": HOSTILE}]), results(), Path("runs")),
        modules_view([{"name": "alpha", "ready": True, "version": HOSTILE, "url": "http://a"}]),
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
    assert shown(modules_view([untold])).splitlines()[1].split() == ["alpha", "ready", "http://a"]


def test_reason_why_a_module_is_not_ready_stands_below_the_list() -> None:
    ready = {"name": "alpha", "ready": True, "url": "http://a"}
    broken = {"name": "beta", "ready": False, "code": "INVALID_ANSWER", "reason": "beta answers 404", "url": "http://b"}
    _, *rows, reason = shown(modules_view([broken, ready])).splitlines()
    assert [row.split()[0] for row in rows] == ["beta", "alpha"]
    assert reason == "✗ beta answers 404"


def test_marks_of_writing_direction_are_replaced() -> None:
    assert "\u202e" not in shown(run_view(record(), results(kpis={"\u202egrowth": 1}), Path("runs")))


def test_torn_line_of_a_log_is_shown_as_it_is() -> None:
    assert shown(log_text(b'{"timestamp": "2026')) == '{"timestamp": "2026\n'


@pytest.mark.parametrize(
    "line", ["{}", "[]", "7", '{"level": [], "timestamp": "", "message": ""}', '{"level": "info", "timestamp": 1}']
)
def test_line_of_a_log_that_is_not_an_event_is_printed_as_it_is(line: str) -> None:
    assert shown(log_text(line.encode())) == f"{line}\n"


def test_plain_text_keeps_what_people_write() -> None:
    assert plain("Dominican Republic: 18 % é ✓").plain == "Dominican Republic: 18 % é ✓"


def test_json_makes_no_view(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    def view() -> RenderableType:
        raise AssertionError("nobody looks at it")

    show({"a": 1}, view, as_json=True)
    assert capsysbinary.readouterr().out == b'{\n  "a": 1\n}\n'
