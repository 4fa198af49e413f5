"""The charts: PNG files of a sensible size, the same bytes every time, whatever a user's settings are."""

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from PIL import Image

from ops_contract import ExecuteRequest
from ops_stubs import drawing, policy_chart, risk_chart
from ops_stubs.module import Result
from ops_stubs.policy_simulator import execute

MakeRequest = Callable[..., ExecuteRequest]


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def colours(content: bytes) -> set[tuple[int, ...]]:
    counted = opened(content).convert("RGB").getcolors(2**24) or []
    return {colour for _, colour in counted if isinstance(colour, tuple)}


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


@pytest.fixture
def outputs(raised: dict[str, Result]) -> dict[str, Any]:
    return raised["policy-simulator"].outputs


@pytest.fixture
def plot(raised: dict[str, Result]) -> bytes:
    return raised["policy-simulator"].artifacts[1].content


def test_policy_chart_is_a_picture_that_can_be_read(plot: bytes) -> None:
    image = opened(plot)
    assert (image.format, image.size) == ("PNG", (1210, 836))


def test_policy_chart_shows_both_lines(plot: bytes) -> None:
    assert {rgb(drawing.BLUE), rgb(drawing.VERMILION)} <= colours(plot)


def test_policy_chart_says_nothing_of_when_and_with_what_it_was_drawn(plot: bytes) -> None:
    assert set(opened(plot).info) <= {"dpi"}


def test_policy_chart_leaves_a_white_margin_all_around(plot: bytes) -> None:
    """Nothing is cut off where nothing touches the edge."""
    image = opened(plot).convert("L")
    width, height = image.size
    edges = [(0, 0, width, 6), (0, height - 6, width, height), (0, 0, 6, height), (width - 6, 0, width, height)]
    assert [image.crop(edge).getextrema() for edge in edges] == [(255, 255)] * 4


def test_policy_chart_of_other_figures_is_another_picture(plot: bytes, ask: MakeRequest) -> None:
    assert execute(ask(inputs={"country": "DR"})).artifacts[1].content != plot


def test_policy_chart_of_the_same_figures_is_not_drawn_again(ask: MakeRequest) -> None:
    first, second = (execute(ask(run_id=run, inputs={"country": "MX"})).artifacts[1].content for run in ("one", "two"))
    assert first is second


@pytest.mark.parametrize(("country", "years", "parameters"), [
    ("KE", 1, {}),
    ("DO", 12, {"vat_rate": 0.125, "cit_rate": 0.335, "payroll_tax_rate": 0.195, "transfers_share_gdp": 0.125}),
])  # fmt: skip
def test_policy_chart_of_an_unusual_scenario_keeps_its_margin(
    ask: MakeRequest, country: str, years: int, parameters: dict[str, float]
) -> None:
    given = {"country": country, "time_horizon_years": years, "policy_parameters": parameters}
    image = opened(execute(ask(inputs=given)).artifacts[1].content).convert("L")
    width, height = image.size
    assert image.crop((width - 6, 0, width, height)).getextrema() == (255, 255)
    assert image.crop((0, 0, width, 6)).getextrema() == (255, 255)


def test_charts_drawn_by_four_threads_at_once_are_the_same(outputs: dict[str, Any], raised: dict[str, Result]) -> None:
    """OPS-DET-003: fonts and settings are shared by all threads."""
    at_once = threading.Barrier(4)

    def draw(number: int) -> tuple[str, bytes]:
        at_once.wait(30)
        if number % 2:
            return "policy", policy_chart.draw(outputs)
        return "risk", risk_chart.draw(raised["supplychain-risk"].outputs)

    with ThreadPoolExecutor(4) as pool:
        drawn = set(pool.map(draw, range(4)))
    assert sorted(kind for kind, _ in drawn) == ["policy", "risk"]


def test_png_draws_one_figure_at_a_time() -> None:
    """Two that drew at once would meet at the barrier."""
    met: list[bool] = []
    together = threading.Barrier(2, timeout=0.2)

    def paint(_: Figure) -> None:
        try:
            together.wait()
            met.append(True)
        except threading.BrokenBarrierError:
            met.append(False)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: drawing.png(paint, width=1, height=1), range(2)))
    assert met == [False, False]


def test_png_under_the_settings_of_a_user_is_the_same() -> None:
    def paint(figure: Figure) -> None:
        figure.subplots().plot([1, 2, 1], label="line")

    usual = drawing.png(paint, width=2, height=2)
    with mpl.rc_context({"figure.facecolor": "red", "font.size": 30, "savefig.dpi": 20}):
        unusual = drawing.png(paint, width=2, height=2)
    assert usual == unusual


def test_png_leaves_the_settings_as_they_were() -> None:
    with mpl.rc_context({"font.size": 31}):
        drawing.png(lambda _: None, width=1, height=1)
        assert mpl.rcParams["font.size"] == 31


def test_risk_chart_colours_bars_by_level(raised: dict[str, Result]) -> None:
    content = risk_chart.draw(raised["supplychain-risk"].outputs)
    assert opened(content).size == (836, 451)
    assert rgb(drawing.VERMILION) in colours(content)
