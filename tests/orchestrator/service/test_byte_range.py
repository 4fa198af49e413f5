import pytest

from ops_orchestrator.service.byte_range import UnsatisfiableRangeError, requested_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", range(10)),
        ("bytes=1020-", range(1020, 1024)),
        ("bytes=-4", range(1020, 1024)),
        ("bytes=-5000", range(1024)),
        ("Bytes=1000-9223372036854775807", range(1000, 1024)),
    ],
)
def test_one_range_is_those_of_its_positions_that_exist(header: str, expected: range) -> None:
    assert requested_range([header], 1024) == expected


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["bytes=a-b"],
        ["bytes=-"],
        ["bytes=9-0"],
        ["bytes=+1-2"],
        ["bytes 0-1"],
        ["lines=0-1"],
        ["bytes=0-0,5-5"],
        ["bytes=0-0", "bytes=5-5"],
        [f"bytes={'9' * 5000}-"],
    ],
)
def test_header_that_is_not_one_range_of_bytes_is_ignored(headers: list[str]) -> None:
    assert requested_range(headers, 1024) is None


@pytest.mark.parametrize(("header", "size"), [("bytes=1024-", 1024), ("bytes=-0", 1024), ("bytes=0-", 0)])
def test_range_that_begins_after_the_end_cannot_be_satisfied(header: str, size: int) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        requested_range([header], size)


def test_last_bytes_of_an_empty_file_are_the_whole_of_it() -> None:
    assert requested_range(["bytes=-5"], 0) is None
