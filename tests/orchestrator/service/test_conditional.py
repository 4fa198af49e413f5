import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from ops_orchestrator.service.conditional import Validators

STORED = Validators('"a"', modified=1_700_000_000)
BEFORE, EXACT, AFTER = (f"{day} Nov 2023 22:13:20 GMT" for day in ("Mon, 13", "Tue, 14", "Wed, 15"))


@pytest.mark.parametrize(
    ("request_headers", "status"),
    [
        ({}, None),
        ({"If-None-Match": '"b", W/"a"'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"b"'}, None),
        ({"If-None-Match": "a"}, None),
        ({"If-Modified-Since": EXACT}, 304),
        ({"If-Modified-Since": BEFORE}, None),
        ({"If-Modified-Since": "yesterday"}, None),
        ({"If-Modified-Since": AFTER, "If-None-Match": '"b"'}, None),
        ({"If-Match": '"b", "a"'}, None),
        ({"If-Match": 'W/"a"'}, 412),
        ({"If-Match": '"b"', "If-None-Match": '"a"'}, 412),
        ({"If-Unmodified-Since": BEFORE}, 412),
        ({"If-Unmodified-Since": EXACT}, None),
        ({"If-Unmodified-Since": BEFORE, "If-Match": "*"}, None),
    ],
)
def test_conditions_are_judged_in_the_order_of_the_rfc(request_headers: dict[str, str], status: int | None) -> None:
    assert STORED.status_for(Headers(request_headers)) == status


@pytest.mark.parametrize(
    ("condition", "allowed"), [('"a"', True), (EXACT, True), ('W/"a"', False), ('"b"', False), (AFTER, False)]
)
def test_range_is_allowed_of_the_very_version_that_the_caller_names(condition: str, allowed: bool) -> None:
    assert STORED.allow_range(Headers({"If-Range": condition})) is allowed


def test_date_says_nothing_of_what_has_none() -> None:
    assert Validators('"a"').status_for(Headers({"If-Modified-Since": AFTER})) is None


@given(
    st.text(st.characters(codec="latin-1"))
    | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,6} Nov [0-9]{1,6} [0-9:]{0,12} [-+A-Z0-9]{0,9}", fullmatch=True)
)
def test_any_text_can_be_a_condition(text: str) -> None:
    for name in ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"):
        assert STORED.status_for(Headers({name: text})) in {None, 304, 412}
