"""Axes: which numbers stand at them, and how they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_orchestrator.charts.scale import as_given, axis, inner_axis, telling_decimals, written


def plain(label: str) -> str:
    """A label with a minus that is on a keyboard."""
    return label.replace("\N{MINUS SIGN}", "-")


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_axis_covers_whatever_numbers_there_are(values: list[float]) -> None:
    scale = axis(values)
    assert all(-1e-9 <= scale.share(value) <= 1 + 1e-9 for value in values)


@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_axis_has_few_labels_that_differ(values: list[float]) -> None:
    labels = [tick.label for tick in axis(values, 6).ticks]
    assert 2 <= len(labels) <= 6
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(
    ("values", "labels", "power"),
    [
        ([35.24, 54.05], ["35", "40", "45", "50", "55"], ""),
        ([0.3871, 0.3935], ["0.386", "0.388", "0.390", "0.392", "0.394"], ""),
        ([-5.2, -1.1], ["-6", "-5", "-4", "-3", "-2", "-1"], ""),
        ([-1.5, 2.5], ["-2", "-1", "0", "1", "2", "3"], ""),
        ([0, 900], ["0", "200", "400", "600", "800", "1,000"], ""),
        ([2.1e9, 5.2e9], ["2", "3", "4", "5", "6"], "10⁹"),
        ([2e-7, 4e-7], ["200", "250", "300", "350", "400"], "10⁻⁹"),
        ([7, 7, 7], ["6.6", "6.8", "7.0", "7.2", "7.4"], ""),
        ([0], ["-1.0", "-0.5", "0.0", "0.5", "1.0"], ""),
    ],
)
def test_axis_has_round_numbers_with_one_number_of_decimals(values: list[float], labels: list[str], power: str) -> None:
    scale = axis(values)
    assert ([plain(tick.label) for tick in scale.ticks], scale.power[2:]) == (labels, power)


def test_changes_have_their_sign() -> None:
    assert [plain(tick.label) for tick in axis([-9.6, 14.6], 4, signed=True).ticks] == ["-10", "0", "+10", "+20"]


def test_axis_of_a_parameter_ends_with_its_values() -> None:
    scale = inner_axis([0.12, 0.24], 4)
    assert (scale.share(0.12), scale.share(0.24)) == (0, 1)
    assert [tick.value for tick in scale.ticks] == [0.15, 0.2]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.1, 0.12, 0.2], ["0.10", "0.12", "0.20"]),
        ([1, 2, 10], ["1", "2", "10"]),
        ([2025, 2030], ["2025", "2030"]),
        ([-0.5, 0.0], ["-0.5", "0.0"]),
        ([1e-9, 2e-9], ["1e-09", "2e-09"]),
    ],
)
def test_values_of_a_parameter_are_written_as_they_were_given(values: list[float], labels: list[str]) -> None:
    assert [plain(label) for label in as_given(values)] == labels


@pytest.mark.parametrize(("value", "text"), [(-0.04, "0.0"), (0.06, "+0.1"), (0, "0.0"), (-1234.5, "-1,234.5")])
def test_number_that_is_nothing_when_rounded_has_no_sign(value: float, text: str) -> None:
    assert plain(written(value, 1, signed=True)) == text


@pytest.mark.parametrize(
    ("values", "decimals"), [([34.1, 58.2], 1), ([0.387, 0.394], 5), ([1000, 9000], 0), ([5, 5], 2), ([0, 0], 0)]
)
def test_decimals_tell_figures_apart(values: list[float], decimals: int) -> None:
    assert telling_decimals(values) == decimals
