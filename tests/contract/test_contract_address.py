"""What of a path changes on its way into a request: only what no URL can hold."""

import pytest

from ops_contract import request_target


@pytest.mark.parametrize(
    "path",
    [
        "/f/a%3Bb.bin",
        "/%26%3D%40%21%3A%24%7E%41%2F%2f%c3%a9%C3%A9",
        "/a;b=c@d!e:f$g~h+i'j(k)l*m,n&o",
        "/a/../b/./%2e%2e/%252e//c",
        "/score?a=%3B+%20&b=%2B;c&d=?",
    ],
)
def test_request_target_of_a_valid_path_is_the_path(path: str) -> None:
    assert request_target(path) == path


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/a b/é", "/a%20b/%C3%A9"),
        ("/100%/%zz/%4", "/100%25/%25zz/%254"),
        ('/"<>[]^`{|}\\#', "/%22%3C%3E%5B%5D%5E%60%7B%7C%7D%5C%23"),
        ("/a\r\nHost: evil", "/a%0D%0AHost:%20evil"),
        ("/\ud800", "/%3F"),
    ],
)
def test_request_target_encodes_what_no_url_can_hold_and_nothing_twice(path: str, target: str) -> None:
    assert request_target(path) == target
    assert request_target(target) == target
