"""`ops runs evidence`, over runs of the stubs."""

import json
import re
from pathlib import Path

import pytest
from command_line import on_terminal, ops
from recorded_run import copy
from stub_runs import StubRuns


def screen_of(runs: StubRuns, *words: str) -> str:
    code, screen = on_terminal(runs.home, "runs", "evidence", *words)
    assert code == 0
    return "\n".join(line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", screen).splitlines())


def test_table_says_what_each_figure_rests_on(stub_runs: StubRuns) -> None:
    screen = screen_of(stub_runs, stub_runs.ids["baseline"], "policy-simulator")
    assert re.search(r"policy-simulator  14 of \d+ figures rest on evidence  synthetic\n", screen)
    assert re.search(r"/kpis/gdp_growth +4\.28 % +a year, real, mean of the years +model\n", screen)
    assert re.search(r"model +computation +Synthetic tax policy model .* +kpis\.json +synthetic\n", screen)
    assert re.search(r"\n\d+ rest on no evidence; --unsupported lists them\n", screen)


def test_one_figure_is_looked_up_by_its_pointer(stub_runs: StubRuns) -> None:
    screen = screen_of(stub_runs, stub_runs.ids["baseline"], "--pointer", "/cited/gini")
    assert re.search(r"/cited/gini/value +0\.39 +kpi-gini\n", screen)
    assert "upstream:/policy-simulator/kpis/gini" in screen
    assert "kpi-inflation" not in screen


def test_figures_without_evidence_are_listed(stub_runs: StubRuns) -> None:
    screen = screen_of(stub_runs, stub_runs.ids["baseline"], "policy-simulator", "--unsupported")
    assert re.search(r"/change/gini .* nothing\n", screen)
    assert "/kpis/gini" not in screen
    assert re.search(r"\nand \d+ more; --json lists up to \d+$", screen)


def test_step_without_any_evidence_has_a_warning(stub_runs: StubRuns, tmp_path: Path) -> None:
    copied = copy(stub_runs.home / "runs" / stub_runs.ids["baseline"], tmp_path)
    results = json.loads((copied / "results.json").read_bytes())
    results["steps"]["policy-simulator"]["evidence"] = []
    (copied / "results.json").write_text(json.dumps(results))
    screen = screen_of(stub_runs, str(copied), "policy-simulator")
    assert "0 of " in screen
    assert "▲ no evidence: nothing says what its figures rest on" in screen


def test_details_are_cut_on_a_terminal_and_in_full_in_json(stub_runs: StubRuns, tmp_path: Path) -> None:
    copied = copy(stub_runs.home / "runs" / stub_runs.ids["baseline"], tmp_path)
    results = json.loads((copied / "results.json").read_bytes())
    details = {"rows": None, "note": "n" * 500}
    results["steps"]["policy-simulator"]["evidence"][0]["details"] = details
    (copied / "results.json").write_text(json.dumps(results))
    screen = screen_of(stub_runs, str(copied), "policy-simulator")
    shown = re.search(r"\nevidence +details\n\S+ +(.*)$", screen, re.DOTALL)
    assert shown is not None
    assert re.fullmatch(r'\{"rows":null,"note":"n{100,200}\.\.\.', "".join(shown[1].split()))
    (step,) = json.loads(ops(stub_runs.home, "runs", "evidence", str(copied), "policy-simulator").stdout)["steps"]
    assert step["evidence"][0]["details"] == details


def test_json_is_printed_where_nobody_watches(stub_runs: StubRuns) -> None:
    found = json.loads(ops(stub_runs.home, "runs", "evidence", stub_runs.ids["baseline"], "--pointer", "/kpis").stdout)
    (step,) = found["steps"]
    assert (found["run_id"], step["supported"], len(step["values"])) == (stub_runs.ids["baseline"], 14, 7)


def test_run_without_figures_says_so(stub_runs: StubRuns) -> None:
    assert screen_of(stub_runs, stub_runs.ids["failed"]).endswith("No step has completed, so that there are no figures.")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--pointer", "gini"), "--pointer must lead to a value in the outputs of policy-simulator, strategy-agent, such as"),
        (("simulator",), "has no step 'simulator'; its steps are policy-simulator, strategy-agent."),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(stub_runs: StubRuns, words: tuple[str, ...], message: str) -> None:
    ran = ops(stub_runs.home, "runs", "evidence", stub_runs.ids["baseline"], *words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert message in ran.stderr
