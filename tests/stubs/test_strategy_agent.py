"""The strategy agent: a brief that cites what came before and says what it lacks."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from ops_contract import ExecuteRequest, resolve_pointer
from ops_stubs.figures import KPIS, formatted
from ops_stubs.module import Result
from ops_stubs.strategy_agent import execute

MakeRequest = Callable[..., ExecuteRequest]
HEADINGS = [
    "The question",
    "What we found",
    "Options",
    "Why this order",
    "Risks",
    "What would change our mind",
    "Sources",
]


def brief_of(result: Result) -> str:
    (file,) = result.artifacts
    assert (file.name, file.media_type) == ("brief.md", "text/markdown")
    return file.content.decode()


def test_execute_after_a_simulation_recommends_the_first_option(raised: dict[str, Result]) -> None:
    outputs = raised["strategy-agent"].outputs
    assert [option["rank"] for option in outputs["options"]] == [1, 2, 3, 4]
    assert outputs["recommendation"].startswith(outputs["options"][0]["title"])
    assert (outputs["brief"], outputs["lacks"]) == ("brief.md", [])


def test_execute_cites_every_kpi_as_the_simulation_has_it(raised: dict[str, Result]) -> None:
    kpis, result = raised["policy-simulator"].outputs["kpis"], raised["strategy-agent"]
    assert {name: entry["value"] for name, entry in result.outputs["cited"].items()} == kpis
    for name, value in kpis.items():
        assert f"| {KPIS[name].label} |" in brief_of(result)
        assert f"| {formatted(name, value)} |" in brief_of(result)


def test_execute_rests_every_kpi_on_the_step_it_came_from(raised: dict[str, Result]) -> None:
    evidence = {item.id: item for item in raised["strategy-agent"].evidence}
    growth = evidence["kpi-gdp_growth"]
    assert growth.uri == "upstream:/policy-simulator/kpis/gdp_growth"
    assert resolve_pointer(raised["strategy-agent"].outputs, growth.supports[0])["label"] == "GDP growth"
    assert {"score-supplychain-risk", "score-dr-anticorruption"} <= evidence.keys()


def test_execute_with_the_figure_of_the_seed_writes_it_as_a_person_reads_it(ask: MakeRequest) -> None:
    upstream = {"policy-simulator": {"module": "policy-simulator", "outputs": {"kpis": {"gdp_growth": 0.02}}}}
    result = execute(ask(upstream=upstream))
    assert "GDP growth 2.0 %" in brief_of(result)
    assert result.outputs["options"] == []


def test_execute_without_earlier_steps_succeeds_and_says_what_it_lacks(ask: MakeRequest) -> None:
    result = execute(ask())
    assert (result.outputs["options"], result.outputs["cited"], len(result.outputs["lacks"])) == ([], {}, 3)
    assert result.outputs["recommendation"].startswith("No recommendation: policy-simulator")
    assert result.warnings == (f"lacks {result.outputs['lacks'][0]}",)
    assert not re.search(r"\d", brief_of(result)), "a brief without figures invents none"


def test_execute_without_a_baseline_warns_that_nothing_is_ranked(ask: MakeRequest) -> None:
    upstream = {"policy-simulator": {"module": "policy-simulator", "outputs": {"kpis": {"gdp_growth": 0.02}}}}
    (warning,) = execute(ask(upstream=upstream)).warnings
    assert warning.startswith("lacks policy-simulator: a baseline")


def test_execute_with_a_risk_step_that_gives_no_score_warns_of_it(ask: MakeRequest, raised: dict[str, Result]) -> None:
    """The scenario did ask for that module, so that a note in the brief is not enough."""
    simulation = {"module": "policy-simulator", "outputs": raised["policy-simulator"].outputs}
    result = execute(ask(upstream={"simulation": simulation, "risks": {"module": "supplychain-risk", "outputs": {}}}))
    assert result.warnings == (
        "the outputs of the step risks (supplychain-risk) have no number `overall`; supply risks are left out",
    )


def test_execute_without_a_simulation_still_tells_the_risks(ask: MakeRequest, raised: dict[str, Result]) -> None:
    outputs = raised["supplychain-risk"].outputs
    result = execute(ask(upstream={"risk": {"module": "supplychain-risk", "outputs": outputs}}))
    assert f"{outputs['overall']:.1f} of 100, led by energy" in brief_of(result)
    assert result.outputs["options"] == []


def test_brief_has_every_section_once_and_in_order(raised: dict[str, Result]) -> None:
    brief = brief_of(raised["strategy-agent"])
    assert brief.startswith("# Brief: VAT raised from 18 % to 20 %, Dominican Republic\n")
    assert re.findall(r"^## (.+)$", brief, re.MULTILINE) == HEADINGS


def test_brief_without_anything_has_every_section_too(ask: MakeRequest) -> None:
    assert re.findall(r"^## (.+)$", brief_of(execute(ask())), re.MULTILINE) == HEADINGS


def test_brief_has_tables_of_one_width(raised: dict[str, Result]) -> None:
    found, why = (
        [
            line.count("|")
            for line in brief_of(raised["strategy-agent"]).partition(f"## {heading}")[2].split("## ")[0].splitlines()
            if "|" in line
        ]
        for heading in ("What we found", "Why this order")
    )
    assert (len(found), set(found)) == (len(KPIS) + 2, {5})
    assert set(why) == {len(raised["strategy-agent"].outputs["options"]) + 3}


def test_brief_says_that_it_is_synthetic(raised: dict[str, Result]) -> None:
    assert brief_of(raised["strategy-agent"]).splitlines()[2].startswith("*Synthetic:")


def test_brief_lists_options_in_the_order_of_the_outputs(raised: dict[str, Result]) -> None:
    listed = re.findall(r"^(\d)\. \*\*(.+)\*\* \(([\d.]+) of 100\)$", brief_of(raised["strategy-agent"]), re.MULTILINE)
    options = raised["strategy-agent"].outputs["options"]
    assert listed == [(str(option["rank"]), option["title"], f"{option['score']:.1f}") for option in options]


def test_brief_names_what_would_turn_the_ranking(raised: dict[str, Result]) -> None:
    doubts = brief_of(raised["strategy-agent"]).partition("## What would change our mind")[2]
    assert re.search(r"With VAT above about [\d.]+ %, phasing in would lead: ", doubts)


def test_brief_gives_the_reasons_of_the_outputs(raised: dict[str, Result]) -> None:
    reasons = raised["strategy-agent"].outputs["reasons"]
    assert reasons
    assert all(f"- {reason}\n" in brief_of(raised["strategy-agent"]) for reason in reasons)


def test_brief_on_a_scenario_without_a_change_asks_another_question(run_all: Callable[..., dict[str, Result]]) -> None:
    run = run_all({"country": "DR", "policy_parameters": {"vat_rate": 0.18}}, ["policy-simulator", "strategy-agent"])
    brief = brief_of(run["strategy-agent"])
    assert "The scenario changes no rate" in brief
    assert "| +0.00" not in brief
    assert [option["id"] for option in run["strategy-agent"].outputs["options"]] == ["collect", "keep"]


@pytest.mark.parametrize("text", ["a\n# b", "a | b", "<b>", "*a*", "`a`", "[a](b)", "x" * 5000], ids=lambda text: text[:8])
def test_brief_with_foreign_text_stays_well_formed(ask: MakeRequest, raised: dict[str, Result], text: str) -> None:
    outputs: dict[str, Any] = {**raised["policy-simulator"].outputs, "country": {"name": text}}
    upstream = {"one": {"module": "policy-simulator", "outputs": outputs}}
    brief = brief_of(execute(ask(upstream=upstream)))
    assert re.findall(r"^#{1,2} .+$", brief, re.MULTILINE)[1:] == [f"## {heading}" for heading in HEADINGS]
    assert text not in brief
    assert len(brief) < 6000
