"""`ops runs compare`, over runs of the stubs and of folders in which something is changed."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_line import on_terminal, ops
from recorded_run import copy, document
from stub_runs import StubRuns

from ops_stubs.figures import KPIS

LABEL = '=HYPERLINK("http://x")|<b>*bold*\x1b[2J\nnext'


def compared(runs: StubRuns, *scenarios: str, options: tuple[str, ...] = ()) -> str:
    ran = ops(runs.home, "runs", "compare", *(runs.ids[name] for name in scenarios), *options)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def lines_of(screen: str) -> list[str]:
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in screen.splitlines()]


def changed(folder: Path, to: Path, **outputs: Any) -> str:
    """A copy of a run below `to` whose policy simulator answered `outputs` besides; returns its path."""
    copied = copy(folder, to)
    results = document(copied, "results.json")
    for place in (results["results"], results["steps"]):
        answered = place["policy-simulator"]
        (answered.get("outputs") or answered).update(outputs)
    (copied / "results.json").write_text(json.dumps(results))
    return str(copied)


@pytest.fixture
def risky(stub_runs: StubRuns, tmp_path: Path) -> list[str]:
    """Two runs elsewhere with one key figure each, of which the lower is declared better."""
    given = {"units": {"risk": "points"}, "labels": {"risk": LABEL}, "directions": {"risk": "lower"}}
    low = changed(stub_runs.home / "runs" / stub_runs.ids["baseline"], tmp_path / "a", kpis={"risk": 41.5}, **given)
    high = changed(stub_runs.home / "runs" / stub_runs.ids["vat-raised"], tmp_path / "b", kpis={"risk": 50.123456789}, **given)
    return [low, high]


def test_table_shows_change_against_the_first_run_and_synthetic_figures(stub_runs: StubRuns) -> None:
    names = ("baseline", "vat-raised", "all-modules")
    code, screen = on_terminal(stub_runs.home, "runs", "compare", *(stub_runs.ids[name] for name in names))
    lines = lines_of(screen)
    assert code == 0
    assert lines[1].split() == [stub_runs.ids["baseline"], "completed", "synthetic", "baseline"]
    assert "Headline figures of policy-simulator  synthetic" in lines
    row = lines.index(next(line for line in lines if line.startswith("Government revenue")))
    assert re.split(r"\s{2,}", lines[row]) == ["Government revenue", "16.15 %", "16.63 %", "16.63 %"]
    assert re.split(r"\s{2,}", lines[row + 1]) == ["", "of GDP, last year", "+0.48 pp, +3.0 %", "+0.48 pp, +3.0 %"]


def test_table_of_more_runs_than_fit_repeats_the_first(stub_runs: StubRuns) -> None:
    ids = [*stub_runs.ids.values(), stub_runs.ids["vat-raised"]]
    lines = lines_of(on_terminal(stub_runs.home, "runs", "compare", *ids)[1])
    assert [line.count("16.15 %") for line in lines if line.startswith("Government revenue")] == [1, 1]
    # In the list of runs and above the figures of the three modules that have some.
    assert sum("failed" in line for line in lines) == 4
    assert sum("no value" in line for line in lines if line.startswith(tuple(kpi.label for kpi in KPIS.values()))) == 7


@pytest.mark.parametrize("columns", ["40", "56", "80"])
def test_narrow_terminal_shows_words_and_numbers_in_whole(stub_runs: StubRuns, tmp_path: Path, columns: str) -> None:
    given = changed(
        stub_runs.home / "runs" / stub_runs.ids["baseline"], tmp_path, kpis={"jobs": 123_456_789.5}, units={"jobs": "jobs"}
    )
    screen = on_terminal(stub_runs.home, "runs", "compare", given, stub_runs.ids["vat-raised"], given, COLUMNS=columns)[1]
    lines = lines_of(screen)
    assert sum("completed" in line for line in lines) == 3
    assert screen.count("123,456,790") >= 2
    assert max(map(len, lines)) <= int(columns)


def test_best_and_worst_are_marked_on_the_terminal(stub_runs: StubRuns, risky: list[str]) -> None:
    screen = on_terminal(stub_runs.home, "runs", "compare", *risky)[1]
    assert "41.5 best" in screen
    assert "50.12 worst" in screen
    assert "\x1b[2J" not in screen


def test_json_is_printed_where_nobody_watches(stub_runs: StubRuns) -> None:
    found = json.loads(compared(stub_runs, "baseline", "failed"))
    assert [(run["heading"], run["status"]) for run in found["runs"]] == [
        ("baseline", "completed"),
        ("demo-scenario-001", "failed"),
    ]
    growth = found["figures"][0]
    assert (growth["step"], growth["key"], growth["direction"]) == ("policy-simulator", "gdp_growth", None)
    assert [value["value"] is None for value in growth["values"]] == [False, True]


def test_csv_has_all_digits_and_no_formula(stub_runs: StubRuns, risky: list[str]) -> None:
    printed = ops(stub_runs.home, "runs", "compare", *risky, "--format", "csv").stdout
    (row,) = csv.DictReader(io.StringIO(printed, newline=""))
    assert row["label"] == "'" + LABEL.replace("\x1b", " ").replace("\n", " ")
    assert row["better"] == "lower"
    assert row[f"baseline [{stub_runs.ids['baseline']}]"] == "41.5"
    assert row[f"vat-raised [{stub_runs.ids['vat-raised']}]"] == "50.123456789"
    assert (row["vat-raised: change"], row["vat-raised: note"]) == ("8.623456789", "synthetic; worst")


def test_csv_says_which_run_did_not_complete(stub_runs: StubRuns) -> None:
    rows = list(csv.DictReader(io.StringIO(compared(stub_runs, "baseline", "failed", options=("--format", "csv")))))
    assert [row["demo-scenario-001: note"] for row in rows] == ["failed; no value"] * 7


def test_markdown_is_a_table_whatever_a_module_is_called(stub_runs: StubRuns, risky: list[str]) -> None:
    printed = ops(stub_runs.home, "runs", "compare", *risky, "--format", "markdown").stdout
    assert f"| baseline | `{stub_runs.ids['baseline']}` | completed |  | synthetic |" in printed
    row = printed.splitlines()[-1]
    assert r"=HYPERLINK(" in row
    assert r"\|\<b\>\*bold\* \[2J next" in row
    assert row.endswith(r"| points | 41.5 **best** | 50.12 (+8.623, +20.8 %) **worst** |")


def test_runs_without_key_figures_are_compared_as_far_as_they_are(stub_runs: StubRuns) -> None:
    ids = [stub_runs.ids["failed"]] * 2
    assert "No run has key figures" in on_terminal(stub_runs.home, "runs", "compare", *ids)[1]
    assert "No run has key figures." in ops(stub_runs.home, "runs", "compare", *ids, "--format", "markdown").stdout


def test_one_run_is_refused_with_what_to_write(stub_runs: StubRuns) -> None:
    ran = ops(stub_runs.home, "runs", "compare", "latest")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "ops: a comparison takes two runs or more; to look at one, use `ops runs show RUN`\n"
