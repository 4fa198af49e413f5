"""Several figures against one parameter, side by side."""

from dataclasses import replace

import pytest
from drawn_chart import DrawnChart

from ops_orchestrator.charts.plot import Group, Plot
from ops_orchestrator.charts.sheet import Caption
from ops_orchestrator.charts.small_multiples import Panel, small_multiples
from ops_orchestrator.charts.spread import Spread

GROUPS = tuple(Group(f"{at:.2f}", at, (1.0, 3.0), Spread(1.0, 2.0 * at, 3.0), 2.0) for at in (0.12, 0.14, 0.18, 0.22, 0.24))
PLOT = Plot(GROUPS, "vat_rate", own=0.18)


def drawn(*plots: Plot) -> DrawnChart:
    panels = [
        Panel(f"Figure {index} with a name that is long", "% of GDP, last year", plot) for index, plot in enumerate(plots)
    ]
    return DrawnChart.read(small_multiples(Caption("All figures by vat_rate", source=("sweep",)), panels))


def test_each_figure_has_its_own_axis_and_all_share_the_parameter() -> None:
    large = replace(PLOT, groups=tuple(replace(one, spread=Spread(1e6, 2e6, 3e6)) for one in GROUPS))
    chart = drawn(PLOT, large)
    assert "3,000,000" in chart.words
    assert [text.content for text in chart.texts if text.content.startswith("0.")].count("0.18") == 2


def test_panels_label_the_ends_and_the_value_that_nobody_changed() -> None:
    assert [word for word in drawn(PLOT).words if word.startswith(("0.1", "0.2"))] == ["0.12", "0.18", "0.24"]


def test_one_key_explains_the_marks_of_all_panels() -> None:
    failed = replace(PLOT, groups=(replace(GROUPS[0], failed=1), *GROUPS[1:]))
    words = drawn(PLOT, failed).words
    assert [words.count(name) for name in ("median", "baseline", "failed run, no figure", "in the scenario")] == [1, 1, 1, 1]
    assert "one run" not in words


@pytest.mark.parametrize("count", [1, 2, 3, 4, 12])
def test_no_text_lies_over_another_one(count: int) -> None:
    assert not drawn(*[PLOT] * count).overlaps()


def test_long_labels_do_not_touch() -> None:
    named = tuple(replace(one, label=f"a country with a long name {index}", at=None) for index, one in enumerate(GROUPS))
    numbers = tuple(replace(one, label=f"{index}.123456789012") for index, one in enumerate(GROUPS))
    assert not drawn(replace(PLOT, groups=named), replace(PLOT, groups=numbers)).overlaps()
