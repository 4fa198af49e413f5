"""`ops runs diff`, over runs of the stubs and of folders elsewhere."""

import json
import re
from pathlib import Path

import pytest
from command_line import on_terminal, ops
from recorded_run import copy
from stub_runs import StubRuns

VAT = "policy-simulator is the first step whose result differs: its input policy_parameters.vat_rate differs (0.18 → 0.2)."


def ids(runs: StubRuns, *scenarios: str) -> list[str]:
    return [runs.ids[name] for name in scenarios]


def test_piped_the_difference_is_json_and_the_exit_code_says_that_there_is_one(stub_runs: StubRuns) -> None:
    ran = ops(stub_runs.home, "runs", "diff", *ids(stub_runs, "baseline", "vat-raised"))

    assert (ran.returncode, ran.stderr) == (1, "")
    assert json.loads(ran.stdout)["cause"] == VAT


def test_a_run_and_a_folder_elsewhere_with_the_same_result_end_with_zero(stub_runs: StubRuns, tmp_path: Path) -> None:
    elsewhere = copy(stub_runs.home / "runs" / stub_runs.ids["baseline"], tmp_path)
    ran = ops(stub_runs.home, "runs", "diff", stub_runs.ids["baseline"], str(elsewhere))

    assert ran.returncode == 0
    assert json.loads(ran.stdout)["grade"] == "identical"


@pytest.mark.parametrize("columns", ["60", "120"])
def test_on_a_terminal_the_cause_comes_first_and_no_line_is_too_long(stub_runs: StubRuns, columns: str) -> None:
    code, screen = on_terminal(stub_runs.home, "runs", "diff", *ids(stub_runs, "baseline", "vat-raised"), COLUMNS=columns)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", screen).splitlines()

    assert code == 1
    assert " ".join(lines).startswith(VAT)
    assert max(map(len, lines)) <= int(columns)
    assert lines[-1] == "See all that differs with --full."


def test_full_lists_all_that_differs(stub_runs: StubRuns) -> None:
    code, screen = on_terminal(stub_runs.home, "runs", "diff", *ids(stub_runs, "baseline", "vat-raised"), "--full")

    assert code == 1
    assert " more " not in re.sub(r"Government|more than", "", screen).partition("Artifacts of policy-simulator")[0]
    assert "path.4.scenario.revenue_share_gdp" in screen
    assert "--full" not in screen


@pytest.mark.parametrize("option", [("--rel", "100", "--abs", "100"), ("--tolerance", "=100"), ("--tolerance", "/=100")])
def test_tolerances_are_for_numbers(stub_runs: StubRuns, option: tuple[str, ...]) -> None:
    ran = ops(stub_runs.home, "runs", "diff", *ids(stub_runs, "baseline", "vat-raised"), *option)
    outputs = json.loads(ran.stdout)["steps"][0]["outputs"]

    # No pointer begins with an empty key.
    assert (outputs["beyond_tolerance"] == 0) is (option[-1] != "/=100")
    # The brief is another text all the same.
    assert ran.returncode == 1


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("kpis=1", "a tolerance is for a JSON pointer, such as /kpis/gdp_growth, not for 'kpis'"),
        ("/a~2=1", "a tolerance is for a JSON pointer, such as /kpis/gdp_growth, not for '/a~2'"),
        ("/kpis", "--tolerance '/kpis' is not POINTER=SHARE, such as /kpis/gdp_growth=1e-6"),
        ("/kpis=x", "--tolerance '/kpis=x' does not end with a number, such as 1e-6"),
        ("=nan", "a tolerance is a number from 0 on, such as 1e-6, not nan"),
        ("/kpis=-1", "a tolerance is a number from 0 on, such as 1e-6, not -1.0"),
    ],
)
def test_a_tolerance_that_cannot_be_read_is_refused(stub_runs: StubRuns, option: str, message: str) -> None:
    ran = ops(stub_runs.home, "runs", "diff", *ids(stub_runs, "baseline", "vat-raised"), "--tolerance", option)

    assert (ran.returncode, ran.stderr) == (2, f"ops: {message}\n")


@pytest.mark.parametrize(("option", "value"), [("--rel", "nan"), ("--rel", "-1.0"), ("--abs", "inf")])
def test_a_number_that_is_no_tolerance_is_refused(stub_runs: StubRuns, option: str, value: str) -> None:
    ran = ops(stub_runs.home, "runs", "diff", *ids(stub_runs, "baseline", "vat-raised"), option, value)

    assert (ran.returncode, ran.stderr) == (2, f"ops: a tolerance is a number from 0 on, such as 1e-6, not {value}\n")


def test_a_tolerance_that_is_for_no_output_is_noted(stub_runs: StubRuns) -> None:
    places = ("--tolerance", "/kpis=0.1", "--tolerance", "/no/such=0.1")
    ran = ops(stub_runs.home, "runs", "diff", *ids(stub_runs, "baseline", "vat-raised"), *places)

    assert json.loads(ran.stdout)["notes"] == ["No output is at /no/such: its tolerance counts in JSON artifacts alone."]


def test_a_run_that_does_not_exist_is_named(stub_runs: StubRuns) -> None:
    ran = ops(stub_runs.home, "runs", "diff", stub_runs.ids["baseline"], "run_1999")

    assert (ran.returncode, ran.stderr) == (2, "ops: there is no run 'run_1999'; `ops runs list` lists them\n")
