"""A figure against a parameter: what a reader takes from the chart is what the runs came to."""

from dataclasses import replace
from typing import Any

import pytest
from drawn_chart import SVG, DrawnChart, points

from ops_orchestrator.charts.band_chart import band_chart
from ops_orchestrator.charts.plot import Group, Names, Plot
from ops_orchestrator.charts.sheet import Caption
from ops_orchestrator.charts.spread import whole_spread

HOSTILE = "<script>alert(1)</script>\"'&\u202egnp\x1b\x00\n]]>"


def group(at: float, *figures: float, failed: int = 0, baseline: float | None = 40.0) -> Group:
    spread = whole_spread(figures) if figures else None
    return Group(f"{at:.2f}", at, figures, spread, baseline if figures else None, failed)


RATES = Plot(
    (
        group(0.12, 50.2, 51.6, 54.0),
        group(0.14, 47.5, 48.8, failed=1),
        group(0.18, 42.3, 43.6, 45.2),
        group(0.24, 35.2, 36.6, 38.9),
    ),
    "vat_rate",
    own=0.18,
)


def drawn(plot: Plot = RATES, **caption: Any) -> DrawnChart:
    return DrawnChart.read(band_chart(Caption(**{"title": "Public debt by vat_rate", "unit": "% of GDP", **caption}), plot))


def test_median_and_band_stand_at_their_figures() -> None:
    chart = drawn()
    (median,) = chart.vertices("ln")[:1]
    (band,) = chart.vertices("bd")
    assert median == [pytest.approx(place, abs=0.05) for place in [(0.12, 51.6), (0.14, 48.15), (0.18, 43.6), (0.24, 36.6)]]
    upper, lower = (
        [(0.12, 54.0), (0.14, 48.8), (0.18, 45.2), (0.24, 38.9)],
        [(0.12, 50.2), (0.14, 47.5), (0.18, 42.3), (0.24, 35.2)],
    )
    assert band == [pytest.approx(place, abs=0.05) for place in [*upper, *reversed(lower)]]


def test_each_run_is_a_point() -> None:
    (runs,) = [mark for mark in drawn().marks("dot") if mark.tag == f"{SVG}g"]
    assert len(runs) == 11


def test_failed_runs_are_marked_on_the_axis_and_counted() -> None:
    failed, in_the_key = drawn().marks("x")
    assert "".join(failed.itertext()) == "0.14: 1 failed"
    (left, top), *_ = points(failed)
    assert left + 4 == pytest.approx(drawn().text("0.14").middle, abs=0.2)
    assert top + 4 == points(drawn().marks("ax")[0])[0][1]
    assert "failed run, no figure" in drawn().words
    assert in_the_key.find(f"{SVG}title") is None


def test_line_does_not_pass_over_a_value_at_which_all_runs_failed() -> None:
    lost = (*RATES.groups[:2], group(0.16, failed=3), *RATES.groups[2:])
    chart = drawn(replace(RATES, groups=lost))
    assert [len(line) for line in chart.vertices("ln")] == [2, 2, 2]  # two parts, and the line in the key
    assert [len(band) for band in chart.vertices("bd")] == [4, 4]


def test_value_far_from_the_others_has_its_label_though_theirs_are_crowded() -> None:
    near = [group(at, 50.0) for at in (0.10, 0.15, 0.18, 0.20, 0.25)]
    chart = drawn(Plot((*near, group(0.90, failed=3)), "vat_rate", own=0.18))
    assert {"0.10", "0.18", "0.25", "0.90"} <= set(chart.words)


def test_value_that_nobody_changed_is_marked() -> None:
    chart = drawn()
    assert points(chart.marks("own")[0])[0][0] == pytest.approx(chart.text("0.18").middle, abs=0.1)
    assert "in the scenario" in chart.words


@pytest.mark.parametrize("own", [None, 0.3, "0.18"])
def test_value_that_is_not_among_those_of_the_chart_is_not_marked(own: float | str | None) -> None:
    assert not drawn(replace(RATES, groups=RATES.groups[:2], own=own)).marks("own")


def test_single_runs_are_joined_without_a_band() -> None:
    groups = tuple(replace(one, figures=one.figures[:1], spread=whole_spread(one.figures[:1])) for one in RATES.groups)
    chart = drawn(replace(RATES, groups=groups))
    assert not chart.marks("bd")
    assert len(chart.marks("pt")) == len(groups)
    assert "from the least to the most" not in chart.words


def test_synthetic_figures_are_marked_by_a_word_and_hatching() -> None:
    chart = drawn(is_synthetic=True)
    assert "synthetic" in chart.words
    assert chart.marks("hatch")
    assert not drawn().marks("hatch")


def test_changes_are_drawn_against_none() -> None:
    groups = (group(1, 0.5, baseline=0.0), group(2, 0.7, baseline=0.0))
    chart = drawn(Plot(groups, "x", is_change=True))
    assert "0.0" in chart.words
    assert "+0.7" in chart.words


def test_values_without_numbers_stand_side_by_side() -> None:
    names = ("DO", "CR", "GT", "HN")
    countries = tuple(replace(one, label=name, at=None) for one, name in zip(RATES.groups, names, strict=True))
    chart = drawn(Plot(countries, "country", own="CR"))
    places = [chart.text(name).middle for name in names]
    assert places == sorted(places)
    assert points(chart.marks("own")[0])[0][0] == pytest.approx(places[1], abs=0.1)
    assert len(chart.marks("bd")) == len(countries) + 1  # and the one in the key


@pytest.mark.parametrize(
    "plot",
    [
        RATES,
        Plot((group(0.1, 43.6),), "one point"),
        Plot(tuple(group(at, 7.0) for at in range(5)), "equal figures"),
        Plot(tuple(group(at, 1e-300 * at, 1.7e308) for at in (-1e300, 1.0, 1e300)), "extreme figures"),
        Plot(tuple(group(at, -1234567.891 * at, baseline=0) for at in (1, 2, 3)), "large figures"),
        Plot(tuple(group(at / 100, 43.6 - at) for at in range(40)), "many values"),
        Plot(tuple(group(at / 7, 43.6 - at) for at in range(300)), "very many values"),
        Plot(tuple(group(at, 1.0) for at in (1, 2, 5, 10, 10_000)), "uneven values", own=10_000),
        Plot(tuple(replace(group(1, at), label=f"a long name of country {at}", at=None) for at in range(9)), "countries"),
        Plot(tuple(replace(group(1, at), label=f"c{at}", at=None) for at in range(80)), "many countries"),
        Plot((group(0.1, failed=3), group(0.2, failed=3)), "failed runs only"),
        Plot((group(1, 5.0, baseline=None), group(2, 6.0, baseline=None)), "the last value is the own one", own=2),
        replace(RATES, parameter="lines that end together", groups=(RATES.groups[0], group(0.24, 40.0, 40.2, 41.0))),
        replace(RATES, parameter="long names", names=Names(middle="median of seeds " * 20, band="from the least " * 20)),
        replace(RATES, parameter="a parameter with a very long name " * 9),
    ],
    ids=lambda plot: plot.parameter[:30],
)
def test_no_text_lies_over_another_one(plot: Plot) -> None:
    for is_synthetic in (True, False):
        title, unit = "quedando" * 40, "in units that take many words " * 6
        assert not drawn(plot, title=title, unit=unit, is_synthetic=is_synthetic).overlaps()


def test_hostile_texts_are_texts_and_nothing_else() -> None:
    groups = tuple(replace(one, label=f"{HOSTILE}{one.label}", at=None) for one in RATES.groups[:2])
    chart = drawn(Plot(groups, HOSTILE), title=HOSTILE, unit=HOSTILE, summary=HOSTILE, source=(HOSTILE,))
    assert {element.tag.removeprefix(SVG) for element in chart.root.iter()} <= {
        *("svg", "title", "desc", "rect", "path", "circle", "g", "text")
    }
    shown = "<script>alert(1)</script>\"'&�gnp␛␀␊]]>"
    assert shown in chart.words
    assert chart.root.findtext(f"{SVG}desc") == shown


def test_drawing_needs_no_style_and_loads_nothing() -> None:
    for element in drawn(is_synthetic=True).root.iter():
        assert not {name for name in element.attrib if name == "style" or name.startswith("on") or name.endswith("href")}
        assert "url(" not in "".join(element.attrib.values())


def test_drawing_says_in_a_sentence_what_it_shows() -> None:
    root = drawn(summary="Public debt falls from 51.6 to 36.6 %.").root
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "Public debt by vat_rate"
    assert root.findtext(f"{SVG}desc") == "Public debt falls from 51.6 to 36.6 %."
