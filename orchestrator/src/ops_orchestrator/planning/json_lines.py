"""On which line of a JSON text each value stands, for messages to whoever wrote it."""

import json
import re
from typing import Final

from ops_contract import join_pointer

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')


def json_lines(text: str) -> dict[str, int]:
    """For the JSON pointer of each value in `text`, its line, counted from 1. `text` is JSON that `parse_json` accepts."""
    reader = _Reader(text)
    reader.value("", reader.advance())
    return reader.lines


class _Reader:
    def __init__(self, text: str) -> None:
        self.lines: dict[str, int] = {}
        self._text = text
        self._tokens = _TOKEN.finditer(text)
        self._at, self._line = 0, 1

    def advance(self) -> str:
        found = next(self._tokens)
        self._line += self._text.count("\n", self._at, found.start())
        self._at = found.start()
        return found[0]

    def value(self, pointer: str, first: str) -> None:
        self.lines[pointer] = self._line
        if first == "{":
            self._object(pointer)
        elif first == "[":
            self._array(pointer)

    def _object(self, pointer: str) -> None:
        while (key := self.advance()) != "}":
            if key == ",":
                continue
            below = join_pointer(pointer, json.loads(key))
            self.advance()  # the colon
            self.value(below, self.advance())

    def _array(self, pointer: str) -> None:
        index = 0
        while (first := self.advance()) != "]":
            if first == ",":
                continue
            self.value(join_pointer(pointer, index), first)
            index += 1
