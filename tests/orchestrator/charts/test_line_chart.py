"""Series over time: what is drawn, and that each can be told from the others without colours."""

import re
from itertools import pairwise

from ops_orchestrator.charts.line_chart import LOOKS, Line, LineChart, line_chart
from ops_orchestrator.charts.sheet import Caption

CAPTION = Caption("Growth <b>", "% a year", "A rises.")


def drawn(*values: tuple[float | None, ...], periods: tuple[str, ...] = ("2026", "2027", "2028")) -> str:
    lines = tuple(Line(look.upper(), look, each) for look, each in zip(LOOKS, values, strict=False))
    return line_chart(CAPTION, LineChart(periods, None, lines))


def test_four_series_differ_in_stroke_and_mark_and_have_their_names_at_their_ends() -> None:
    chart = drawn((1, 2, 3), (2, 3, 4), (3, 4, 5), (1, 1, 1))
    strokes = [re.search(f'class="l{look}"[^>]*', chart) for look in LOOKS]
    marks = [re.search(f'<(\\w+) class="m{look}"[^>]*?(?: d="|/)', chart) for look in LOOKS]

    assert len({*re.findall(r'stroke-dasharray="([^"]+)"', "".join(found[0] for found in strokes if found))}) == 3
    assert [found[1] for found in marks if found] == ["circle", "rect", "path", "path"]
    assert re.findall(r'class="lab"[^>]*>(\w)<', chart) == ["C", "B", "A", "D"]
    assert "Growth &lt;b&gt;" in chart


def test_names_of_series_that_end_together_do_not_touch() -> None:
    chart = drawn(*[(1.0, 2.0, 3.0)] * 4)
    heights = sorted(float(found) for found in re.findall(r'class="lab" x="[\d.]+" y="([\d.]+)"', chart))

    assert len(heights) == 4
    assert heights[0] > 50
    assert all(later - earlier >= 12 for earlier, later in pairwise(heights))


def test_line_does_not_pass_over_a_period_without_a_value_and_one_value_is_a_mark() -> None:
    assert drawn((1, None, 3), (None, 2, None)).count('class="la"') == 0
    assert drawn((1, None, 3), (None, 2, None)).count('class="ma"') == 2
    assert drawn((1, 2, None)).count('class="la"') == 1


def test_thousands_of_periods_have_few_marks_and_labels() -> None:
    periods = tuple(f"period {number}" for number in range(2_000))
    chart = drawn(tuple(float(number) for number in range(2_000)), periods=periods)

    assert chart.count("<circle") < 30
    assert chart.count("period ") == 3
