"""The words of the brief, section by section."""

import re
from dataclasses import replace

import pytest

from ops_stubs.strategy_brief import page, recommendation
from ops_stubs.strategy_findings import Findings, Score
from ops_stubs.strategy_options import options

BASELINE = {"gdp_growth": 0.04, "debt_share_gdp": 0.5, "consumption_index": 120.0}
FULL = Findings(
    step="simulation",
    country="Chile",
    measure="VAT raised from 19 % to 21 %",
    kpis={"gdp_growth": 0.0395, "debt_share_gdp": 0.47, "consumption_index": 119.0},
    baseline=BASELINE,
    supply=Score("supply", 40.04, "energy"),
    integrity=Score("integrity", 27, ""),
)


def section(found: Findings, heading: str) -> str:
    """The text below one heading."""
    return page(found, options(found)).partition(f"## {heading}\n\n")[2].partition("\n## ")[0]


def test_page_asks_about_the_change() -> None:
    assert section(FULL, "The question").strip() == "Should Chile change its law: VAT raised from 19 % to 21 %?"


def test_page_without_a_country_asks_about_a_country() -> None:
    assert section(replace(FULL, country=""), "The question").startswith("Should the country change its law")


def test_page_says_first_what_was_found() -> None:
    assert section(FULL, "What we found").startswith(
        "In the scenario: GDP growth 4.0 %, public debt 47.0 %, household consumption"
    )


def test_page_compares_every_indicator() -> None:
    text = section(FULL, "What we found")
    assert "| Public debt | 50.0 % | 47.0 % | -3.00 pp |" in text
    assert "| Household consumption | 120.0 | 119.0 | -1.00 |" in text


def test_page_leaves_out_a_comparison_that_it_does_not_have() -> None:
    found = replace(FULL, baseline={"gdp_growth": 0.04})
    assert "| Public debt | - | 47.0 % | - |" in section(found, "What we found")


def test_page_with_kpis_that_it_does_not_know_says_so() -> None:
    found = Findings(step="s", kpis={"happiness": 7.0})
    assert "- no indicator that this brief knows" in section(found, "What we found")


def test_page_without_kpis_invents_none() -> None:
    assert section(Findings(), "What we found").strip() == "Nothing, for want of figures. This brief invents none."


def test_page_tells_risks_with_what_leads_them() -> None:
    text = section(FULL, "Risks")
    assert "- Supply: 40.0 of 100, led by energy; " in text
    assert "- Procurement: 27.0 of 100; " in text


@pytest.mark.parametrize(("field", "label"), [("supply", "Supply"), ("integrity", "Procurement")])
def test_page_without_a_risk_says_that_nobody_looked(field: str, label: str) -> None:
    found = replace(FULL, supply=None) if field == "supply" else replace(FULL, integrity=None)
    assert f"- {label}: not looked at in this run." in section(found, "Risks")


def test_page_names_the_steps_it_rests_on() -> None:
    assert [line.split("`")[1] for line in section(FULL, "Sources").splitlines() if line.startswith("- `")] == [
        "simulation",
        "supply",
        "integrity",
    ]


def test_page_without_steps_names_none() -> None:
    assert "- none: no earlier step" in section(Findings(), "Sources")


def test_page_without_a_ranking_says_what_would_allow_one() -> None:
    assert "Policy-simulator: an earlier step with KPIs" in section(Findings(), "What would change our mind")


def test_page_with_a_foreign_rate_stays_well_formed() -> None:
    found = replace(FULL, kpis=BASELINE | {"debt_share_gdp": 0.48}, levers={"<b>\n# tax": (0.1, 0.12)})
    assert "With \\<b\\> \\# tax below about" in section(found, "What would change our mind")


def test_page_with_a_narrow_lead_says_so() -> None:
    found = replace(FULL, kpis=BASELINE | {"debt_share_gdp": 0.499})
    assert "less than five points of 100 apart" in section(found, "What would change our mind")


def test_recommendation_of_a_clear_lead_says_so() -> None:
    found = replace(FULL, kpis=BASELINE | {"gdp_growth": 0.06})
    assert re.match(
        r"Adopt at once: .+\. It leads by a clear margin: [\d.]+ points against", recommendation(found, options(found))
    )


def test_recommendation_against_a_change_says_what_the_change_scores() -> None:
    found = replace(FULL, kpis=BASELINE | {"gdp_growth": 0.03})
    assert re.search(r"VAT raised from 19 % to 21 % scores [\d.]+ points at best\.$", recommendation(found, options(found)))


def test_recommendation_of_a_narrow_lead_says_so() -> None:
    found = replace(FULL, kpis=BASELINE | {"debt_share_gdp": 0.499})
    assert "It leads narrowly" in recommendation(found, options(found))


def test_recommendation_without_a_ranking_says_why() -> None:
    assert recommendation(Findings(), ()).startswith("No recommendation: policy-simulator: an earlier step with KPIs")
