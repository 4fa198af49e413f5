"""The small parts: figures in words, Markdown, noise, countries, errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_contract import Problem
from ops_stubs import noise
from ops_stubs.countries import ALIASES, COUNTRIES, Country, country_of
from ops_stubs.errors import InputError
from ops_stubs.figures import KPIS, formatted, formatted_change, level, measure, percent
from ops_stubs.markdown import plain, table


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("gdp_growth", 0.02, "2.0 %"),
        ("gdp_growth", -0.0123, "-1.2 %"),
        ("gdp_growth", -0.00001, "0.0 %"),
        ("consumption_index", 122.601, "122.6"),
        ("gini", 0.39069, "0.391"),
        ("something_else", 1.5, "1.5"),
    ],
)
def test_formatted_value_is_what_a_person_reads(key: str, value: float, text: str) -> None:
    assert formatted(key, value) == text


@pytest.mark.parametrize(
    ("key", "change", "text"),
    [("gdp_growth", -0.00046, "-0.05 pp"), ("gini", 0.0007, "+0.0007"), ("gini", -1e-9, "+0.0000"), ("other", 2.0, "+2")],
)
def test_formatted_change_has_a_sign_and_a_unit(key: str, change: float, text: str) -> None:
    assert formatted_change(key, change) == text


@pytest.mark.parametrize(("share", "text"), [(0.18, "18 %"), (0.175, "17.5 %"), (0, "0 %"), (0.07 * 3, "21 %")])
def test_percent_of_a_rate_has_no_needless_digits(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("score", "word"), [(0, "low"), (34.9, "low"), (35, "moderate"), (59.9, "moderate"), (60, "high")])
def test_level_of_a_score_is_a_word(score: float, word: str) -> None:
    assert level(score) == word


def test_measure_names_every_change_and_nothing_else() -> None:
    changed = measure({"vat_rate": (0.18, 0.2), "cit_rate": (0.3, 0.25), "payroll_tax_rate": (0.2, 0.2), "x": (0.1, 0.2)})
    assert changed == "VAT raised from 18 % to 20 %, corporate income tax lowered from 30 % to 25 %, x raised from 10 % to 20 %"
    assert measure({"vat_rate": (0.18, 0.18)}) == ""


def test_kpis_have_labels_that_stand_in_a_sentence() -> None:
    assert {kpi.in_sentence[:3] for kpi in KPIS.values()} == {"GDP", "Gin", "inf", "gov", "fis", "pub", "hou"}


@given(st.text())
def test_plain_of_any_text_is_one_short_line(text: str) -> None:
    line = plain(text)
    assert len(line.splitlines()) <= 1
    assert len(line) <= 800


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_table_of_any_cells_keeps_its_columns(rows: list[tuple[str, str]]) -> None:
    lines = table(("a", "b"), rows, numbers_from=1).splitlines()
    assert len(lines) == len(rows) + 2
    assert {line.replace("\\\\", "").replace("\\|", "").count("|") for line in lines} == {3}


def test_generator_of_the_same_parts_gives_the_same_numbers() -> None:
    assert noise.generator("a", "DO", 1).random() == noise.generator("a", "DO", 1).random()


@pytest.mark.parametrize("parts", [("a", "DO", 2), ("b", "DO", 1), ("a", "CO", 1), ("aDO", 1)])
def test_generator_of_other_parts_gives_other_numbers(parts: tuple[str | int, ...]) -> None:
    assert noise.generator(*parts).random() != noise.generator("a", "DO", 1).random()


def test_generator_gives_the_numbers_it_has_always_given() -> None:
    """Another version of Python or of this package must not change what a seed means."""
    assert noise.rounded(noise.generator("policy-simulator", "DO", 42).gauss(0, 1)) == -0.118951


@pytest.mark.parametrize("value", [-0.0, -1e-12, 1e-12])
def test_rounded_has_no_minus_zero(value: float) -> None:
    assert str(noise.rounded(value)) == "0.0"


@pytest.mark.parametrize("country", COUNTRIES.values(), ids=list(COUNTRIES))
def test_countries_have_figures_of_a_plausible_size(country: Country) -> None:
    assert 0.05 <= country.economy.vat_rate <= 0.3
    assert 0.25 <= country.economy.gini <= 0.65
    assert 0.4 <= country.economy.consumption <= 0.9
    assert all(0 <= value <= 100 for value in vars(country.exposure).values())


def test_countries_have_codes_of_two_letters_and_aliases_that_lead_to_them() -> None:
    assert all(len(code) == 2 and code.isupper() for code in COUNTRIES)
    assert set(ALIASES.values()) <= COUNTRIES.keys()
    assert not ALIASES.keys() & COUNTRIES.keys()


@pytest.mark.parametrize(("code", "country"), [("DO", COUNTRIES["DO"]), ("DR", COUNTRIES["DO"]), ("do", None)])
def test_country_of_a_code_or_an_alias_is_found(code: str, country: Country | None) -> None:
    assert country_of(code) is country


def test_input_error_of_one_problem_is_its_own_problem() -> None:
    error = InputError("/inputs/country", "is odd")
    assert error.problems == (Problem("/inputs/country", "is odd"),)
