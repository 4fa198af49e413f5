"""risk.png of the supply-chain stub: one bar for every component."""

from collections.abc import Callable
from typing import Any, Final

from matplotlib.figure import Figure

from ops_stubs.drawing import BLUE, GREY, INK, VERMILION, png
from ops_stubs.figures import level

__all__ = ["draw"]

_COLOURS: Final = {"low": "#56B4E9", "moderate": BLUE, "high": VERMILION}


def draw(outputs: dict[str, Any]) -> bytes:
    """The PNG for the outputs of the supply-chain stub."""
    return png(_painter(outputs), width=7.6, height=4.1)


def _painter(outputs: dict[str, Any]) -> Callable[[Figure], None]:
    def paint(figure: Figure) -> None:
        ax = figure.subplots()
        figure.subplots_adjust(left=0.27, right=0.955, top=0.775, bottom=0.235)
        components = sorted(outputs["components"].items(), key=lambda item: item[1])
        names = [name.replace("_", " ").capitalize() for name, _ in components]
        scores = [score for _, score in components]
        bars = ax.barh(names, scores, color=[_COLOURS[level(score)] for score in scores], height=0.62)
        ax.bar_label(bars, labels=[f"{score:.1f}, {level(score)}" for score in scores], padding=5, color=INK)
        ax.set_xlim(0, 118)
        ax.set_xticks([0, 20, 40, 60, 80, 100])
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("Risk, 0 (not exposed) to 100")
        ax.tick_params(axis="y", length=0, labelcolor=INK)
        sector = "all sectors" if outputs["sector"] == "all" else outputs["sector"]
        title = f"{outputs['country']['name']}, {sector}: supply risk {outputs['overall']:.1f}"
        figure.text(0.03, 0.925, title, fontsize=13.5, fontweight="bold", va="center")
        figure.text(
            0.03,
            0.845,
            f"{outputs['level'].capitalize()} overall; low below 35, moderate below 60, high from there",
            fontsize=10.5,
            color=GREY,
            va="center",
        )
        note = "Synthetic data: made up by a stub of OpenPolicyStack. Not an assessment."
        figure.text(0.03, 0.035, note, fontsize=8.5, color=GREY, style="italic")

    return paint
