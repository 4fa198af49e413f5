"""Canonical JSON and fingerprints (RFC 8785)."""

import hashlib
import json
import struct
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops_contract import MAX_DEPTH, NumberError, canonical_json, fingerprint, parse_json, sha256_hex

SETTINGS: Final = settings(deadline=None, derandomize=True, max_examples=60)
LARGEST_INTEGER: Final = 2**53 - 1

texts = st.text(st.characters(codec="utf-8"), max_size=6)
# From 2^53 to 10^21, RFC 8785 writes a float as the digits of an integer, and such integers are refused when they are read.
floats = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not LARGEST_INTEGER < abs(number) < 1e21)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER) | floats | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def _reversed(value: Any) -> Any:
    """The same value with the keys of its objects in the opposite order."""
    if isinstance(value, dict):
        return {key: _reversed(child) for key, child in reversed(value.items())}
    return [_reversed(child) for child in value] if isinstance(value, list) else value


@given(json_values)
@SETTINGS
def test_canonical_json_stays_the_same_when_it_is_read_and_written_again(value: Any) -> None:
    once = canonical_json(value)
    assert canonical_json(parse_json(once)) == once


@given(json_values)
@SETTINGS
def test_canonical_json_has_the_value_it_was_made_of(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value


@given(json_values)
@SETTINGS
def test_order_of_keys_does_not_change_a_fingerprint(value: Any) -> None:
    assert fingerprint(_reversed(value)) == fingerprint(value)


def test_example_of_the_rfc_is_written_as_the_rfc_has_it() -> None:
    """RFC 8785, sections 3.2.2 and 3.2.3."""
    raw = rb"""{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"""
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical_json(parse_json(raw)) == expected.encode()


def test_keys_are_sorted_by_utf16_code_units() -> None:
    """RFC 8785, section 3.2.3: the emoji comes before U+FB33 since its first surrogate is smaller."""
    values = {"€": "Euro", "\r": "CR", "\ufb33": "Dalet", "1": "One", "😀": "Smile", "\x80": "Control", "ö": "o"}
    assert list(json.loads(canonical_json(values)).values()) == ["CR", "One", "Control", "o", "Euro", "Smile", "Dalet"]


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("ffefffffffffffff", "-1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("c340000000000000", "-9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_number_of_the_rfc_is_written_as_the_rfc_has_it(bits: str, text: str) -> None:
    """RFC 8785, appendix B."""
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_json(number) == text.encode()


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (0, -0.0), (100, 1e2), ([1], [1.0]), ((1, 2), [1, 2])], ids=["1", "0", "100", "list", "tuple"]
)
def test_numbers_of_one_value_have_one_fingerprint(one: Any, other: Any) -> None:
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(("one", "other"), [(1, "1"), (1, True), (0, False), (None, 0), ([], {}), ("a", "A"), ([1, 2], [2, 1])])
def test_different_values_have_different_fingerprints(one: Any, other: Any) -> None:
    assert fingerprint(one) != fingerprint(other)


def test_unicode_is_not_normalised() -> None:
    """RFC 8785, section 3.1: strings are kept as they are."""
    assert fingerprint("é") != fingerprint("e\u0301")


@pytest.mark.parametrize("number", [LARGEST_INTEGER, -LARGEST_INTEGER])
def test_largest_exact_integer_is_written(number: int) -> None:
    assert canonical_json(number) == str(number).encode()


@pytest.mark.parametrize("number", [2**53, -(2**53), 10**400])
def test_integer_beyond_two_to_the_53_is_refused_with_its_place(number: int) -> None:
    with pytest.raises(NumberError, match="would be changed by many readers; send it as a string") as caught:
        canonical_json({"ids": [1, number]})
    assert caught.value.pointer == "/ids/1"
    assert str(caught.value).startswith("/ids/1: ")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_float_that_json_has_no_word_for_is_refused_with_its_place(number: float) -> None:
    with pytest.raises(NumberError, match="is not a JSON number; leave the field out or send null") as caught:
        canonical_json({"kpis": {"gdp": number}})
    assert caught.value.pointer == "/kpis/gdp"


@pytest.mark.parametrize(("key", "pointer"), [("a/b", "/a~1b"), ("m~n", "/m~0n"), ("~1", "/~01"), ("", "/"), (" ", "/ ")])
def test_place_of_a_refused_number_is_escaped(key: str, pointer: str) -> None:
    """RFC 6901, section 3."""
    with pytest.raises(NumberError) as caught:
        canonical_json({key: 2**53})
    assert caught.value.pointer == pointer


def test_place_below_a_long_key_is_cut() -> None:
    with pytest.raises(NumberError) as caught:
        canonical_json({"k" * 100_000: 2**53})
    assert len(str(caught.value)) < 1500


def test_refused_number_that_is_the_whole_value_is_named_so() -> None:
    with pytest.raises(NumberError, match=r"^\(the whole value\): ") as caught:
        canonical_json(2**53)
    assert caught.value.pointer == ""


def test_refused_number_in_a_tuple_is_found() -> None:
    with pytest.raises(NumberError) as caught:
        canonical_json({"series": (0.0, float("nan"))})
    assert caught.value.pointer == "/series/1"


@pytest.mark.parametrize("value", [{1: "a"}, {"a": {1, 2}}, "\ud800"], ids=["key", "set", "surrogate"])
def test_value_that_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"strings|unsupported|codepoints"):
        canonical_json(value)


def test_deepest_nesting_that_is_read_is_written() -> None:
    raw = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert canonical_json(parse_json(raw)) == raw


def test_fingerprint_is_the_sha256_of_canonical_json() -> None:
    assert fingerprint({"b": 1, "a": "€"}) == hashlib.sha256('{"a":"€","b":1}'.encode()).hexdigest()


def test_sha256_is_64_lower_case_hex_digits() -> None:
    assert sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
