"""plot.png of the policy simulator: four panels, the law in force against the scenario."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ops_stubs.drawing import BLUE, GREY, VERMILION, png
from ops_stubs.figures import measure
from ops_stubs.inputs import BASE_YEAR

__all__ = ["draw"]


@dataclass(frozen=True)
class _Panel:
    """One small chart: what is drawn, in which unit, and the narrowest range that is worth showing."""

    figure: str
    title: str
    unit: str
    difference: str
    scale: float
    least_range: float


_PANELS: Final = (
    _Panel("gdp_growth", "Real GDP growth", "% a year", "pp", 100, 1.0),
    _Panel("revenue_share_gdp", "Government revenue", "% of GDP", "pp", 100, 1.0),
    _Panel("consumption_index", "Household consumption", f"index, {BASE_YEAR} = 100", "points", 1, 2.0),
    _Panel("debt_share_gdp", "Public debt", "% of GDP", "pp", 100, 2.0),
)


def draw(outputs: dict[str, Any]) -> bytes:
    """The PNG for the outputs of the policy simulator."""
    return png(_painter(outputs), width=11, height=7.6)


def _painter(outputs: dict[str, Any]) -> Callable[[Figure], None]:
    def paint(figure: Figure) -> None:
        axes = figure.subplots(2, 2, sharex=True, gridspec_kw={"wspace": 0.2, "hspace": 0.3})
        figure.subplots_adjust(left=0.075, right=0.965, top=0.79, bottom=0.115)
        for panel, ax in zip(_PANELS, axes.flat, strict=True):
            _paint_panel(ax, panel, outputs["path"])
        for ax in axes[1]:
            ax.set_xlabel("Year")
        _paint_frame(figure, axes.flat[0], outputs)

    return paint


def _paint_panel(ax: Axes, panel: _Panel, path: list[dict[str, Any]]) -> None:
    years = [entry["year"] for entry in path]
    before = [entry["baseline"][panel.figure] * panel.scale for entry in path]
    after = [entry["scenario"][panel.figure] * panel.scale for entry in path]
    marker = "o" if len(years) <= 12 else ""
    ax.plot(years, before, color=BLUE, linestyle="--", marker=marker, markersize=6, label="Law in force")
    ax.plot(years, after, color=VERMILION, marker=marker, markersize=4.5, label="Scenario")
    ax.set_title(panel.title)
    ax.set_title(
        _change_label(panel, years[-1], after[-1] - before[-1]), loc="right", fontsize=9.5, fontweight="normal", color=GREY
    )
    ax.set_ylabel(panel.unit)
    ax.margins(x=0.06)
    _set_range(ax, (*before, *after), panel.least_range)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    if len(years) == 1:
        ax.set_xlim(years[0] - 1, years[0] + 1)


def _change_label(panel: _Panel, year: int, difference: float) -> str:
    amount = f"{round(difference, 2) + 0.0:+.2f}".replace("-", "\N{MINUS SIGN}") if difference else "0"
    return f"{year}: {amount} {panel.difference}"


def _set_range(ax: Axes, values: tuple[float, ...], least: float) -> None:
    low, high = min(values), max(values)
    # A change of a tenth of a point must not fill the whole panel.
    margin = max(0.12 * (high - low), (least - (high - low)) / 2)
    ax.set_ylim(low - margin, high + margin)


def _paint_frame(figure: Figure, ax: Axes, outputs: dict[str, Any]) -> None:
    horizon = outputs["horizon"]
    first, last = horizon["first_year"], horizon["last_year"]
    span = str(first) if first == last else f"{first} to {last}"
    changed = measure({name: (rate["baseline"], rate["scenario"]) for name, rate in outputs["policy"].items()})
    whole = f"{outputs['country']['name']}: {changed or 'no rate changed'}".replace(" %", "\N{NO-BREAK SPACE}%")
    size, columns = (16, 72) if len(whole) <= 72 else (12.5, 96)
    title = textwrap.fill(whole, columns)
    subtitle = (
        "scenario against the law in force" if changed else "the scenario is the law in force, so both lines are the same"
    )
    figure.text(0.075, 0.95, title, fontsize=size, fontweight="bold", va="center")
    figure.text(0.075, 0.895, f"{span}, {subtitle}", fontsize=11, color=GREY, va="center")
    lines, labels = ax.get_legend_handles_labels()
    figure.legend(lines, labels, loc="center right", bbox_to_anchor=(0.97, 0.862), ncols=2, fontsize=10.5, handlelength=3)
    note = "Synthetic data: made up by a stub of OpenPolicyStack to show how the parts fit. Not a forecast."
    figure.text(0.075, 0.025, note, fontsize=9, color=GREY, style="italic")
