"""The charts of a sweep: which are drawn, against what, and what they say of what is missing."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from drawn_chart import SVG, DrawnChart, points

from ops_orchestrator.planning.sweep import Parameter
from ops_orchestrator.runs.sweeps.charts import file_names, sweep_charts, write_charts
from ops_orchestrator.runs.sweeps.table import FigureCell, FigureColumn, SweepRow, SweepTable

RATE = Parameter("/policy_parameters/vat_rate", "VAT rate", "share", own=0.18)
TRANSFERS = Parameter("/policy_parameters/transfers", "transfers", own=0.04)
COUNTRY = Parameter("/country", "country", own="DO")
DEBT = FigureColumn("policy-simulator", "debt", "Public debt", "share of GDP, last year")
GINI = FigureColumn("policy-simulator", "gini", "Gini coefficient")
RATES = [(rate,) for rate in (0.12, 0.14, 0.16, 0.18, 0.2)]


def table(parameters: Sequence[Parameter], places: Sequence[Sequence[Any]], seeds: int = 1, **changes: Any) -> SweepTable:
    """A sweep in which each run finds a debt of 50 % less a percentage point for each place, more one for each seed."""
    rows = [
        SweepRow(
            number=number,
            parameters=tuple(place),
            seed=seed,
            status="completed",
            run_id=f"run_{number}",
            figures=(FigureCell(0.5 - at / 100 + seed / 100, 0.48 + seed / 100, 0.02 - at / 100), FigureCell(0.39)),
        )
        for number, ((at, place), seed) in enumerate(product(enumerate(places), range(seeds)), 1)
    ]
    made = SweepTable("sweep_1", "vat", tuple(parameters), (DEBT, GINI), tuple(rows))
    return replace(made, **changes)


def changed(made: SweepTable, number: int, **changes: Any) -> SweepTable:
    """The table with another row of that number."""
    rows = [replace(row, **changes) if row.number == number else row for row in made.rows]
    return replace(made, rows=tuple(rows))


def drawn(made: SweepTable, name: str = "debt.svg") -> DrawnChart:
    return DrawnChart.read(sweep_charts(made).files[name])


def sentence(chart: DrawnChart) -> str:
    """The description for those who do not see the chart, with usual signs."""
    text = chart.root.findtext(f"{SVG}desc") or ""
    return text.replace("\N{MINUS SIGN}", "-").replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_each_figure_is_drawn_as_it_is_and_as_a_change_where_it_has_one() -> None:
    assert list(sweep_charts(table([RATE], RATES)).files) == ["debt.svg", "debt-change.svg", "gini.svg", "all-figures.svg"]


def test_figure_and_parameter_are_drawn_in_their_units() -> None:
    chart = drawn(table([RATE], RATES))
    assert {"Public debt by VAT rate", "% of GDP, last year", "VAT rate, %", "12", "20"} <= set(chart.words)
    assert chart.vertices("ln")[0] == [pytest.approx((12 + 2 * at, 50 - at), abs=0.02) for at in range(5)]


def test_change_is_drawn_in_percentage_points() -> None:
    chart = drawn(table([RATE], RATES), "debt-change.svg")
    assert "change from the baseline, pp of GDP, last year" in chart.words
    assert chart.vertices("ln")[0] == [pytest.approx((12 + 2 * at, 2 - at), abs=0.02) for at in range(5)]


def test_description_has_the_first_and_the_last_figure() -> None:
    made = table([RATE], RATES, seeds=3)
    assert sentence(drawn(made)) == (
        "Public debt by VAT rate: median of 3 seeds from 51.00 % at 12 to 47.00 % at 20. The file table.csv has every figure."
    )
    assert "median of 3 seeds from +2.00 pp at 12 to -2.00 pp at 20" in sentence(drawn(made, "debt-change.svg"))


@pytest.mark.parametrize(
    ("seeds", "name", "low", "high"),
    [(19, "from the least to the most of the seeds", 50, 68), (21, "from 5 to 95 % of the seeds", 51, 69)],
)
def test_band_is_of_quantiles_where_there_are_enough_seeds(seeds: int, name: str, low: float, high: float) -> None:
    chart = drawn(table([RATE], RATES, seeds))
    assert name in chart.words
    (band,) = chart.vertices("bd")
    assert band[0] == pytest.approx((12, high), abs=0.1)
    assert band[-1] == pytest.approx((12, low), abs=0.1)


def test_one_value_with_too_few_figures_makes_all_bands_whole() -> None:
    made = changed(table([RATE], RATES, 20), 1, status="failed", figures=())
    assert "from the least to the most of the seeds" in drawn(made).words


def test_baseline_is_the_median_of_the_runs_at_each_value() -> None:
    (baseline,) = drawn(table([RATE], RATES, seeds=3)).vertices("dash")[:1]
    assert baseline == [pytest.approx((12 + 2 * at, 49), abs=0.02) for at in range(5)]


def test_values_are_sorted_whatever_their_order_in_the_sweep() -> None:
    assert drawn(table([RATE], list(reversed(RATES)))).vertices("ln")[0][0] == pytest.approx((12, 46), abs=0.02)


def test_failed_and_pending_runs_are_counted_and_failed_ones_marked() -> None:
    made = changed(table([RATE], RATES, seeds=2), 3, status="failed", figures=())
    chart = drawn(changed(made, 10, status="pending", figures=()))
    assert "sweep_1: 10 runs, 1 failed, 1 not over" in chart.words
    assert ["".join(mark.itertext()) for mark in chart.marks("x")] == ["14: 1 failed", ""]  # the last is in the key


def test_scenario_s_own_value_is_marked() -> None:
    chart = drawn(table([RATE], RATES))
    assert points(chart.marks("own")[0])[0][0] == pytest.approx(chart.text("18").middle, abs=0.1)
    assert not drawn(table([replace(RATE, own=None)], RATES)).marks("own")


def test_only_figures_of_synthetic_runs_are_marked() -> None:
    made = table([RATE], RATES)
    assert not drawn(made).marks("hatch")
    assert drawn(changed(made, 2, synthetic=True)).marks("hatch")
    assert not drawn(changed(made, 2, synthetic=True, figures=())).marks("hatch")


def test_two_parameters_are_a_table_of_medians() -> None:
    made = table([RATE, TRANSFERS], list(product([0.16, 0.18, 0.2], [0.03, 0.04])), seeds=3)
    chart = drawn(changed(made, 1, status="failed", figures=()))
    rows = [[text.text for text in row.iter(f"{SVG}text")] for row in chart.root.iter(f"{SVG}g") if row.get("role") == "row"]
    assert rows == [
        ["VAT rate, % ↓", "0.03", "0.04"],
        ["16", "51.50", "50.00"],
        ["18", "49.00", "48.00"],
        ["20", "47.00", "46.00"],
    ]
    assert "% of GDP, last year, median of 3 seeds" in chart.words
    assert "the scenario's own values" in chart.words
    assert "Public debt by VAT rate and transfers: 2 by 3 cells from 46.00 % to 51.50 %." in sentence(chart)


def test_parameters_that_change_together_are_one() -> None:
    chart = drawn(table([RATE, TRANSFERS], [(0.12, 0.01), (0.14, 0.02), (0.18, 0.05)]))
    assert "Public debt by VAT rate, with transfers" in chart.words
    assert not chart.marks("own")


def test_parameter_with_one_value_changes_nothing() -> None:
    assert "Public debt by VAT rate" in drawn(table([TRANSFERS, RATE], [(0.04, *rate) for rate in RATES])).words


@pytest.mark.parametrize("values", [["DO", "CR", "GT"], [True, False, None], [1, True, "1"], [[1], {"a": 1}, "x"]])
def test_values_that_are_no_numbers_stand_in_their_order(values: list[Any]) -> None:
    chart = drawn(table([COUNTRY], [(value,) for value in values]))
    assert len(chart.marks("ln")) == len(values) + 1  # and the one in the key


def test_seeds_alone_are_one_group() -> None:
    chart = drawn(table([], [()], seeds=30))
    assert {"Public debt by seed", "all 30 seeds", "from 5 to 95 % of the seeds"} <= set(chart.words)


def test_three_parameters_are_not_drawn_and_the_reason_is_said() -> None:
    places = list(product([0.16, 0.18], [0.03, 0.04], ["DO", "CR"]))
    charts = sweep_charts(table([RATE, TRANSFERS, COUNTRY], places))
    assert not charts.files
    assert charts.notes == ("No chart is drawn: 3 parameters change independently (VAT rate, transfers, country).",)


def test_sweep_without_figures_has_no_chart() -> None:
    made = table([RATE], RATES, figures=())
    assert sweep_charts(made).notes == ("No chart is drawn: no run has a figure.",)


def test_figures_that_are_no_numbers_for_an_axis_are_left_out() -> None:
    made = changed(table([RATE], RATES), 2, figures=(FigureCell(1.7e308), FigureCell(None)))
    assert len(drawn(made).marks("pt")) == 4
    assert "gini.svg" in sweep_charts(made).files


def test_figures_at_the_bounds_of_doubles_do_not_stop_a_chart() -> None:
    largest = [FigureCell(value, baseline=value) for value in (1.7e308, 1.7e308, -1.7e308, 9e299, 9e299)]
    plain = replace(table([RATE], RATES, seeds=2).figures[0], unit="")
    made = replace(table([RATE, TRANSFERS], list(product(range(3), range(3))), seeds=2), figures=(plain,))
    for at in range(len(made.rows)):
        made = changed(made, at, figures=(largest[at % len(largest)],))
    assert sweep_charts(made).files


def test_what_is_cut_is_said() -> None:
    many = table([replace(RATE, unit="")], [(at / 7,) for at in range(1_100)])
    assert "Of 1,100 values of VAT rate, one in 3 is drawn." in drawn(many).words
    runs = drawn(table([RATE], RATES, seeds=900))
    assert "Of 4,500 runs, one in 3 is drawn as a point; median and band are those of all." in runs.words
    assert sum(len(group) for group in runs.marks("many")) == 1_500
    grid = drawn(table([replace(RATE, unit=""), TRANSFERS], list(product(range(20), range(90)))))
    assert {"Of 20 values of VAT rate, one in 2 is drawn.", "Of 90 values of transfers, one in 3 is drawn."} <= set(grid.words)


def test_figure_that_none_of_the_drawn_values_has_is_said_to_be_missing() -> None:
    many = table([replace(RATE, unit="")], [(at,) for at in range(1_000)])
    rows = [row if row.number % 2 == 0 else replace(row, figures=()) for row in many.rows]
    assert "no run has it at the values that are drawn" in sentence(drawn(replace(many, rows=tuple(rows))))


def test_twelve_figures_are_drawn() -> None:
    columns = tuple(replace(DEBT, key=f"k{number}") for number in range(15))
    rows = tuple(replace(row, figures=row.figures[:1] * 15) for row in table([RATE], RATES).rows)
    charts = sweep_charts(table([RATE], RATES, figures=columns, rows=rows))
    assert len(charts.files) == 25
    assert charts.notes == ("The first 12 of 15 figures are drawn.",)


def test_every_chart_of_a_sweep_is_legible() -> None:
    for made in (table([RATE], RATES, seeds=5), table([RATE, TRANSFERS], list(product([0.16, 0.18], [0.03, 0.04])))):
        for file in sweep_charts(made).files.values():
            assert not DrawnChart.read(file).overlaps()


def test_files_have_names_that_every_file_system_takes() -> None:
    keys = ["debt", "Debt", "debt-change", "../../etc/passwd", "a b/c", "", "x" * 300, "all-figures"]
    names = file_names([FigureColumn("policy", key, key) for key in keys])
    assert names[:6] == ["debt", "debt-2", "debt-change-2", "etc-passwd", "a-b-c", "figure"]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 62


def test_equal_keys_of_two_steps_are_told_apart() -> None:
    assert file_names([DEBT, replace(DEBT, step="other")]) == ["policy-simulator-debt", "other-debt"]


def test_charts_are_written_as_svg_and_as_png() -> None:
    made, written = table([RATE], RATES), dict[str, bytes]()
    assert write_charts(lambda name, pieces: written.update({name: b"".join(pieces)}), made) == ()
    drawn_again = {name: drawn.encode() for name, drawn in sweep_charts(made).files.items()}
    assert {name: content for name, content in written.items() if name.endswith(".svg")} == drawn_again
    assert [name for name in written if name.endswith(".png")] == [name.replace(".svg", ".png") for name in drawn_again]
