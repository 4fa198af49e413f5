"""What of a path changes on its way into a request: only what no URL can hold."""

import pytest

from ops_contract import base_url_problem, request_target


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


@pytest.mark.parametrize(
    "url", ["http://localhost:8080", "https://module.example/base", "http://[::1]:80", "http://caf\u00e9.example"]
)
def test_base_url_has_no_problem(url: str) -> None:
    assert base_url_problem(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8080",
        "ftp://x",
        "http://",
        "http://x:port",
        "http://x:0",
        "http://x:99999",
        "http://[::1",
        "http://x?a=1",
        "http://x/#y",
        "http://a..b",
    ],
)
def test_what_is_not_a_base_url_is_answered_with_one(url: str) -> None:
    assert "must be like http://host:port" in (base_url_problem(url) or "")


@pytest.mark.parametrize("url", ["http://a b", "http://a/\x7f", "http://a/\u202e"])
def test_base_url_with_what_cannot_be_seen_is_refused(url: str) -> None:
    assert base_url_problem(url) == "must not hold blanks or control characters"
