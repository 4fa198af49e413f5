"""What orjson reads and writes is what the strict reader and the library for RFC 8785 do, in twenty thousand texts.

The texts are made from fixed seeds: well-formed ones of what such libraries differ in, and mutations of them.
"""

from random import Random
from typing import Any, Final

import pytest
import rfc8785
from reference_json import RefusedError, read

from ops_contract import JsonError, NumberError, canonical_json, check_numbers, parse_json

KEYS: Final = [
    *('"a"', '"a"', '"b"', '""', r'"\u0061"', '"a:b"', r'"a\u003ab"', r'"a\u003Ab"', '":"', r'"\u003a"', r'"\\u003a"', '"é"'),
    *('"\ufb33"', '"😀"', r'"\ud83d\ude00"', r'"\ud800"', '"a/b~c"', r'"\""', r'"\n"', '"' + "k" * 70 + '"', '"\x7f"'),
]
TEXTS: Final = [
    *KEYS,
    '"' + "QUJD" * 40 + '"',
    r'"{\"a\": 1, \"a\": 2}"',
    '"2026-11-28T12:00:00Z"',
    '"u003a"',
    '"[,{"',
    r'"\/"',
]
NUMBERS: Final = [
    *("0", "-0", "1", "-1", "9007199254740991", "9007199254740992", "-9007199254740992", "9223372036854775807"),
    *("9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616"),
    *("1" + "0" * 30, "9" * 400, "9" * 4400, "0.0", "-0.0", "1.0", "1e0", "1E+2", "1e-5", "9.9e-6", "1e-6", "1e-7", "1e15"),
    *("999999999999999.9", "1e16", "123456789012345678.0", "1e20", "1e21", "1e22", "9223372036854775808.0", "1e300", "1e308"),
    *("1.7976931348623157e308", "1.7976931348623159e308", "1e400", "-1e400", "5e-324", "2e-324", "1e-400", "0e400"),
    *("2.2250738585072011e-308", "0.1", "0.30000000000000004", "0." + "123456789" * 9, "1" + "0" * 400 + ".5", "1.5e-5"),
]
ODD: Final = [
    "NaN",
    "Infinity",
    "-Infinity",
    "01",
    "1.",
    ".5",
    "+1",
    "1e",
    "tru",
    "'a'",
    '"\x01"',
    r'"\x"',
    '"\ud7ff',
    "",
    "-",
    "//",
]
SPACES: Final = ["", "", "", " ", "\n", "\t \r\n", "\u00a0", "\ufeff"]
PIECES: Final = [
    *(
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\x00",
        b'"',
        b"\\",
        b"\\u003a",
        b":",
        b",",
        b"[",
        b"]",
        b"{",
        b"}",
    ),
    *(b"\xf0\x9f\x98\x80", b"0", b"9" * 20, b"e", b".", b"-", b" ", b'"a":', b'"a":1,', b"\\ud800", b"null", b"1e999"),
]


class Writer:
    """Writes JSON texts, some of which break a rule."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311  # the same texts each time

    def text(self) -> bytes:
        """A text, mutated in one of three."""
        made = self._value(self.random.choice((1, 2, 3, 5))).encode(errors="surrogatepass")
        if self.random.random() < 0.01:
            depth = self.random.choice((199, 200, 201, 254, 255, 256, 1100))
            made = b"[" * depth + made + b"]" * depth
        return self._mutated(made) if self.random.random() < 0.33 else made

    def _value(self, depth: int) -> str:
        pick = self.random.random()
        if depth == 0 or pick < 0.2:
            return self._scalar()
        count = self.random.randrange(5)
        if pick < 0.5:
            return "[" + ",".join(self._spaced(self._value(depth - 1)) for _ in range(count)) + "]"
        members = (f"{self._spaced(self._key())}:{self._spaced(self._value(depth - 1))}" for _ in range(count))
        return "{" + ",".join(members) + "}"

    def _key(self) -> str:
        # Most keys differ, so that a whole text without a duplicate is likely.
        if self.random.random() < 0.3:
            return self.random.choice(KEYS)
        return f'"{self.random.choice("xyz:é")}{self.random.randrange(1000)}"'

    def _scalar(self) -> str:
        pick = self.random.random()
        if pick < 0.02:
            return self.random.choice(ODD)
        if pick < 0.3:
            return self.random.choice(TEXTS)
        if pick < 0.5:
            return self.random.choice(NUMBERS)
        if pick < 0.7:
            return repr(self.random.uniform(-1, 1) * 10.0 ** self.random.randint(-25, 25))
        return self.random.choice(("null", "true", "false", str(self.random.randint(-(10**6), 10**6))))

    def _spaced(self, part: str) -> str:
        return part if self.random.random() < 0.8 else f"{self._space()}{part}{self._space()}"

    def _space(self) -> str:
        return self.random.choice(SPACES[: 6 if self.random.random() < 0.99 else None])

    def _mutated(self, made: bytes) -> bytes:
        for _ in range(self.random.choice((1, 1, 2))):
            start, end = sorted(self.random.randrange(len(made) + 1) for _ in range(2))
            match self.random.randrange(4):
                case 0:
                    made = made[:start] + self.random.choice(PIECES) + made[start:]
                case 1:
                    made = made[:start] + made[min(end, start + 3) :]
                case 2:
                    made = made[:end] + made[start:]
                case _:
                    made = made[:start] + self.random.choice(PIECES) + made[start + 1 :]
        return made


def reading(raw: bytes) -> tuple[Any, str]:
    """The value that `parse_json` makes of `raw`, and its words or those of the refusal."""
    try:
        value = parse_json(raw)
    except JsonError as error:
        return None, f"refused: {error}"
    return value, repr(value)


def expected_reading(raw: bytes) -> str:
    # The words tell apart what is equal: 1, 1.0 and true, and 0.0 and -0.0.
    try:
        return repr(read(raw))
    except RefusedError as error:
        return f"refused: {error}"


def canonical(value: Any) -> bytes | str:
    try:
        return canonical_json(value)
    except NumberError as error:
        return f"refused: {error}"


def expected_canonical(value: Any) -> bytes | str:
    try:
        check_numbers(value)
    except NumberError as error:
        with pytest.raises((rfc8785.IntegerDomainError, rfc8785.FloatDomainError)):
            rfc8785.dumps(value)
        return f"refused: {error}"
    return rfc8785.dumps(value)


def compare(seed: int, count: int) -> tuple[int, int]:
    """Read and write `count` texts in both ways; how many were read, and how many refused."""
    writer = Writer(seed)
    refused = 0
    for _ in range(count):
        raw = writer.text()
        value, words = reading(raw)
        assert words == expected_reading(raw), raw
        if words.startswith("refused"):
            refused += 1
        else:
            assert canonical(value) == expected_canonical(value), raw
    return count - refused, refused


def test_texts_are_read_and_written_as_the_reference_does() -> None:
    read_texts, refused_texts = compare(0, 2_000)
    assert min(read_texts, refused_texts) > 500  # neither goes untested


@pytest.mark.slow
def test_18_000_more_texts_are_read_and_written_as_the_reference_does() -> None:
    compare(1, 18_000)
