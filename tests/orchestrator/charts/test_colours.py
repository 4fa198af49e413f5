"""What is drawn can be seen: on white, in each shade of a heat map, and without colours."""

from itertools import pairwise

import pytest

from ops_orchestrator.charts.svg import BLUE, GREY, INK, INK_ON_SHADES, PAPER, SHADES, SOFT, VERMILION


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2.2."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(("text", "ground"), [(INK, PAPER), (SOFT, PAPER), *zip(INK_ON_SHADES, SHADES, strict=True)])
def test_text_stands_out_from_its_ground(text: str, ground: str) -> None:
    assert contrast(text, ground) >= 4.5


@pytest.mark.parametrize("line", [BLUE, VERMILION, GREY])
def test_lines_stand_out_from_white(line: str) -> None:
    assert contrast(line, PAPER) >= 3


def test_shades_become_darker_step_by_step() -> None:
    assert all(contrast(lighter, darker) > 1.2 for lighter, darker in pairwise(SHADES))
