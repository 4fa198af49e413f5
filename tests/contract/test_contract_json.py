"""Strict JSON (OPS-EXE-004, OPS-ERR-003): what is read, what is refused, and in which words."""

import contextlib
import json
import sys
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops_contract import MAX_DEPTH, MAX_VALUES, JsonError, TooManyValuesError, join_pointer, parse_json, resolve_pointer

SETTINGS: Final = settings(deadline=None, derandomize=True, max_examples=60)
DIGITS_CONVERTED: Final = sys.get_int_max_str_digits()

texts = st.text(st.characters(codec="utf-8"), max_size=6)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
@SETTINGS
def test_any_json_value_is_read_as_it_was_written(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False, indent=1).encode()) == value


@given(st.binary(max_size=12))
@SETTINGS
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    # Anything but a value or a JsonError fails the test.
    with contextlib.suppress(JsonError):
        parse_json(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a": [1, 2.5, null, true, "x"]}', {"a": [1, 2.5, None, True, "x"]}),
        (b' \t\r\n{"a":1}\n', {"a": 1}),
        (b"[]", []),
        (b"null", None),
        (b'"text"', "text"),
        (b"-0", 0),
        (b"1e2", 100.0),
        (b"9007199254740993", 9007199254740993),
        (b'{"a": 1, "A": 2}', {"a": 1, "A": 2}),
        (b'[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
        (b'{"a": {"a": 1}}', {"a": {"a": 1}}),
        ('"žluť 😀"'.encode(), "žluť 😀"),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'"\\u0000"', "\x00"),
        ('"\ufeff"'.encode(), "\ufeff"),
    ],
)
def test_strict_json_is_read(raw: bytes, value: Any) -> None:
    assert parse_json(raw) == value


def test_integer_and_float_are_told_apart() -> None:
    integer, floating = parse_json(b"[1, 1.0]")
    assert (type(integer), type(floating)) == (int, float)


def test_byte_order_mark_is_refused() -> None:
    with pytest.raises(JsonError, match="byte order mark"):
        parse_json(b"\xef\xbb\xbf{}")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_text_that_is_not_utf8_is_refused(encoding: str) -> None:
    with pytest.raises(JsonError):
        parse_json('{"land": "Österreich"}'.encode(encoding))


def test_byte_that_is_not_utf8_is_named_with_its_place() -> None:
    with pytest.raises(JsonError, match="not UTF-8: byte 2 is 0xff"):
        parse_json(b'["\xff"]')


def test_surrogate_encoded_as_utf8_is_refused() -> None:
    with pytest.raises(JsonError, match="not UTF-8"):
        parse_json(b'"\xed\xa0\x80"')


@pytest.mark.parametrize(
    "raw",
    [b'{"key": 1, "key": 1}', b'[0, {"x": {"key": 1, "y": 2, "key": 3}}]', b'{"key": null, "\\u006bey": 2}'],
    ids=["equal values", "nested", "escaped"],
)
def test_duplicate_key_is_refused_by_name(raw: bytes) -> None:
    with pytest.raises(JsonError, match="the key 'key' stands twice in one object"):
        parse_json(raw)


def test_long_duplicate_key_is_not_repeated_in_full() -> None:
    key = "k" * 100_000
    with pytest.raises(JsonError) as caught:
        parse_json(f'{{"{key}": 1, "{key}": 2}}'.encode())
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_number_that_is_none_is_refused_by_name(name: str) -> None:
    with pytest.raises(JsonError, match=f"{name} is not JSON"):
        parse_json(f'{{"gdp": [{name}]}}'.encode())


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" + 400 * "0" + ".0"])
def test_number_beyond_a_double_is_refused_with_its_place(number: str) -> None:
    with pytest.raises(JsonError, match="/gdp/1 is a number beyond the range"):
        parse_json(f'{{"gdp": [0, {number}]}}'.encode())


def test_number_too_small_for_a_double_is_zero() -> None:
    assert parse_json(b"1e-400") == 0


def test_integer_of_the_longest_convertible_length_is_read() -> None:
    assert parse_json(b"9" * DIGITS_CONVERTED) == int("9" * DIGITS_CONVERTED)


def test_longer_integer_is_refused() -> None:
    reason = rf"^a number is too long: 9{{20}}\.\.\. has {DIGITS_CONVERTED + 1:,} digits; send it as a string$"
    with pytest.raises(JsonError, match=reason):
        parse_json(b'{"n": %s}' % (b"9" * (DIGITS_CONVERTED + 1)))


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (rb'"\ud800"', "the text"),
        (rb'{"a": ["\udc00"]}', "/a/0"),
        (rb'{"a": {"b": "x\uD83D"}}', "/a/b"),
        (rb'["\ude00\ud83d"]', "/0"),
        (rb'{"a/b": "\ud800"}', "/a~1b"),
        (rb'{"a": {"\ud800": 1}}', "/a"),
        (rb'{"\ud800": 1}', "the text"),
    ],
)
def test_half_of_a_surrogate_pair_is_refused_with_its_place(raw: bytes, place: str) -> None:
    with pytest.raises(JsonError, match=f"^{place} holds half of a surrogate pair"):
        parse_json(raw)


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (b"", "line 1 column 1"),
        (b"{} {}", "line 1 column 4"),
        (b"{}x", "line 1 column 3"),
        (b'{\n"a": 1\n"b": 2}', "line 3 column 1"),
        (b"[1 2]", "line 1 column 4"),
        (b'{"a" 1}', "line 1 column 6"),
        (b"{'a': 1}", "line 1 column 2"),
        (b'{"a": 01}', "line 1 column 8"),
        (b"[+1]", "line 1 column 2"),
        (b"[.5]", "line 1 column 2"),
        (b'["\x01"]', "line 1 column 3"),
        (b'["\\x"]', "line 1 column 3"),
        (b'"open', "line 1 column 1"),
        (b"// note\n1", "line 1 column 1"),
        (b"\x001", "line 1 column 1"),
    ],
)
def test_malformed_json_is_refused_with_its_place(raw: bytes, place: str) -> None:
    with pytest.raises(JsonError, match=f"{place}$"):
        parse_json(raw)


@pytest.mark.parametrize(("opening", "inside", "closing"), [("[", "", "]"), ("[", "1", "]"), ('{"a":', "1", "}")])
def test_deepest_nesting_is_read(opening: str, inside: str, closing: str) -> None:
    parse_json(f"{opening * MAX_DEPTH}{inside}{closing * MAX_DEPTH}".encode())


@pytest.mark.parametrize(("opening", "inside", "closing"), [("[", "", "]"), ("[", "1", "]"), ('{"a":', "1", "}")])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1_000, 100_000])
def test_deeper_nesting_is_refused(opening: str, inside: str, closing: str, depth: int) -> None:
    """OPS-LIM-001."""
    with pytest.raises(JsonError, match=f"nested deeper than {MAX_DEPTH} levels"):
        parse_json(f"{opening * depth}{inside}{closing * depth}".encode())


def test_deep_nesting_that_never_closes_is_refused() -> None:
    with pytest.raises(JsonError):
        parse_json(b"[" * 100_000)


def count_of(value: Any) -> int:
    """How many values a JSON value holds, itself and its keys included."""
    match value:
        case dict():
            return 1 + sum(1 + count_of(item) for item in value.values())
        case list():
            return 1 + sum(map(count_of, value))
    return 1


@given(st.lists(json_values, min_size=1, max_size=4))
@SETTINGS
def test_as_many_values_as_the_limit_are_read_and_one_more_is_refused(value: Any) -> None:
    count = count_of(value)
    for raw in (json.dumps(value).encode(), json.dumps(value, ensure_ascii=False, indent=1).encode()):
        assert parse_json(raw, max_values=count) == value
        with pytest.raises(TooManyValuesError):
            parse_json(raw, max_values=count - 1)


@pytest.mark.parametrize(
    "raw", [b'[",[{:"]', rb'["\",[{:"]', rb'["\\\\\",[{:\\"]', b'["[\\\\\\\\"]', b"[ ]", b"{\t\r\n}", b"[[]]"]
)
def test_only_values_count_towards_the_limit(raw: bytes) -> None:
    parse_json(raw, max_values=2)


@pytest.mark.parametrize(
    "raw",
    [
        b"[" + b"0," * MAX_VALUES + b"0]",
        b"[" + b"[]," * MAX_VALUES + b"0]",
        b"[" * (MAX_VALUES + 1),
        b'{"a":' * MAX_VALUES,
        b"[" + b'"a:b",' * MAX_VALUES,
        b"{" + b",".join(b'"%d":{}' % number for number in range(MAX_VALUES // 2)) + b"}",
    ],
    ids=["numbers", "arrays", "depth", "deep objects", "open strings", "keys"],
)
def test_text_with_too_many_values_is_refused_with_the_limit_and_the_remedy(raw: bytes) -> None:
    with pytest.raises(TooManyValuesError, match=f"more than {MAX_VALUES} values.*; put large tables into an artifact"):
        parse_json(raw)


@pytest.mark.parametrize(
    ("token", "pointer"), [("a", "/x/a"), ("a/b", "/x/a~1b"), ("m~n", "/x/m~0n"), ("~1", "/x/~01"), ("", "/x/"), (3, "/x/3")]
)
def test_pointer_is_joined_with_an_escaped_token(token: str | int, pointer: str) -> None:
    assert join_pointer("/x", token) == pointer


@given(st.lists(texts, min_size=1, max_size=4))
@SETTINGS
def test_joined_pointer_leads_back(keys: list[str]) -> None:
    value: Any = "found"
    pointer = ""
    for key in reversed(keys):
        value = {key: value}
    for key in keys:
        pointer = join_pointer(pointer, key)
    assert resolve_pointer(value, pointer) == "found"
