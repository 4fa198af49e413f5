"""The filters of lists of runs, as people write them."""

from datetime import UTC, datetime

import pytest

from ops_orchestrator.errors import InvalidRequestError
from ops_orchestrator.runs.run_filter import EVERY_RUN, read_filter


def test_no_filter_is_every_run() -> None:
    assert read_filter() == EVERY_RUN


def test_labels_are_keys_with_or_without_a_value() -> None:
    assert read_filter(labels=["study", "team=a=b", "empty="]).labels == (("study", None), ("team", "a=b"), ("empty", ""))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-09", datetime(2026, 1, 9, tzinfo=UTC)),
        ("2026-01-09T12:34:56.5Z", datetime(2026, 1, 9, 12, 34, 56, 500_000, tzinfo=UTC)),
        ("2026-01-09t12:34:56+02:00", datetime(2026, 1, 9, 10, 34, 56, tzinfo=UTC)),
    ],
)
def test_time_is_a_date_in_utc_or_a_moment(text: str, at: datetime) -> None:
    assert read_filter(since=text).since == at


@pytest.mark.parametrize(
    ("parameters", "pointer", "message"),
    [
        ({"labels": ["=value"]}, "label", "must be KEY or KEY=VALUE, not '=value'"),
        ({"labels": ["study"] * 33}, "label", "is given 33 times; a run has at most 32 labels"),
        ({"labels": [""]}, "label", "must be KEY or KEY=VALUE, not ''"),
        ({"labels": ["a\x1b[31m=b"]}, "label", "must be text without control characters"),
        ({"scenario_id": "a\udcff"}, "scenario_id", "must be text without control characters"),
        (
            {"since": "yesterday"},
            "since",
            "must be a date or a time such as 2026-01-09 or 2026-01-09T12:34:56Z, not 'yesterday'",
        ),
        ({"since": "2026-02-30"}, "since", "not '2026-02-30'"),
        ({"since": "2026-01-09T12:34:56"}, "since", "not '2026-01-09T12:34:56'"),
        ({"until": "2026-01-09T12:34:56 02:00"}, "until", "in an address, write + as %2B"),
        ({"until": "0001-01-01T00:00:00+23:59"}, "until", "must be a date or a time"),
        ({"since": "2026-01-02", "until": "2026-01-01"}, "until", "must be later than since"),
        ({"since": "2026-01-02", "until": "2026-01-02"}, "until", "must be later than since"),
        ({"fingerprint": "abcdef1"}, "fingerprint", "must be 8 to 64 hexadecimal digits, not 'abcdef1'"),
        ({"fingerprint": "abcdefgh"}, "fingerprint", "must be 8 to 64 hexadecimal digits"),
    ],
)
def test_filter_that_cannot_be_used_is_named_with_what_to_write(
    parameters: dict[str, object], pointer: str, message: str
) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        read_filter(**parameters)  # type: ignore[arg-type]
    (problem,) = raised.value.problems
    assert problem.pointer == pointer
    assert message in problem.message


def test_all_filters_that_cannot_be_used_are_named_at_once() -> None:
    with pytest.raises(InvalidRequestError) as raised:
        read_filter(since="x", until="y", fingerprint="z")
    assert [problem.pointer for problem in raised.value.problems] == ["since", "until", "fingerprint"]
