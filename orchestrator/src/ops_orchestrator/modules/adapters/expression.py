"""One JSONata expression of a declaration: checked when it is read, bounded when it is evaluated."""

import math
import re
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from operator import is_
from typing import Any, Final

from ops_contract import MAX_VALUES
from ops_orchestrator.errors import ExpressionError
from ops_orchestrator.modules.adapters.jsonata_library import JException, Jsonata, Utils
from ops_orchestrator.modules.adapters.names import NameUseError, as_constant, is_plain_text, used_names
from ops_orchestrator.modules.adapters.regular_expression import RegularExpressionError, compile_regular_expression

LONGEST_EVALUATION_S: Final = 5.0
"""Seconds of computing that one expression may take. What the library does in one piece is bounded by the step's time-out."""


MOST_CHARACTERS: Final = 16 * 1024 * 1024
"""How much text expressions may yield; more where the answer itself has more."""


@dataclass
class Room:
    """How much expressions may still yield: JSON values, keys included, and characters of text.

    A few references to one large value are small until they are written out.
    """

    values: int = MAX_VALUES // 2
    characters: int = MOST_CHARACTERS

    def take(self, value: Any) -> None:
        """Take the room of one value, without what is inside it. Raises ValueError when there is none left."""
        self.values -= 1
        if isinstance(value, str):
            self.characters -= len(value)
        if self.values < 0 or self.characters < 0:
            raise ValueError("yields more than can be kept; select less, or take a large table as an artifact")


class Expression:
    """The JSONata expression `text`, which may use the context's `names`. Raises ExpressionError when it is wrong.

    `names` are then those that it uses, `upstream` the steps that it refers to as `upstream.NAME`, which must have been
    executed before, and `reads` the paths that it follows, as in UsedNames.
    """

    def __init__(self, text: str, names: Collection[str]) -> None:
        self.text = text = text.rstrip()
        # What a compiled expression evaluates with is not safe to share between threads.
        self._compiled = threading.local()
        try:
            used = used_names(self._jsonata().ast, text, names)
        except NameUseError as error:
            raise ExpressionError(text, error.position, str(error)) from error
        except RegularExpressionError as error:
            raise ExpressionError(text, text.find(error.pattern) + len(error.pattern), str(error)) from error
        except JException as error:
            reason = f"{_reason(error)}; {as_constant(text)}" if is_plain_text(text) else _reason(error)
            raise ExpressionError(text, _start(text, error.location if error.location > 0 else len(text)), reason) from error
        except RecursionError as error:
            raise ExpressionError(text, len(text), "is nested too deeply") from error
        except Exception as error:  # the tokenizer looks up what it does not know, and reads on behind the end
            at = text.find(str(error.args[0])) + 1 if isinstance(error, KeyError) else 0
            raise ExpressionError(text, at or len(text), "Syntax error") from error
        self.names, self.upstream, self.reads = used.names, used.upstream, used.reads

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def evaluate(self, context: Mapping[str, Any], *, longest_s: float = LONGEST_EVALUATION_S, room: Room | None = None) -> Any:
        """The JSON value that the expression yields in `context`, None for nothing and for null. Raises ExpressionError.

        What it yields has to fit into `room`, a new one unless given.
        """
        jsonata = self._jsonata()
        started, at = time.thread_time(), 0

        def watch(node: Any, _input: object, _environment: object) -> None:
            nonlocal at
            at = getattr(node, "position", None) or at
            if time.thread_time() - started > longest_s:
                raise JException(_TOO_SLOW, at)

        # The library's own bounds count from when the expression was compiled, and over all its evaluations.
        frame = jsonata.create_frame()
        frame.set_evaluate_entry_callback(watch)
        try:
            return _plain(jsonata.evaluate(context, frame), room or Room())
        except JException as error:
            reason = f"takes longer than {longest_s:g} s" if error.error == _TOO_SLOW else _reason(error)
            place = _start(self.text, error.location if error.location > 0 else at)
            raise ExpressionError(self.text, place, reason) from error
        except RecursionError as error:
            raise ExpressionError(self.text, _start(self.text, at), "calls itself too deeply") from error
        except OverflowError as error:
            raise ExpressionError(self.text, _start(self.text, at), "number out of range") from error
        except Exception as error:  # the library lets Python's own errors through, such as ValueError for $number("x")
            raise ExpressionError(self.text, _start(self.text, at), str(error) or type(error).__name__) from error

    def _jsonata(self) -> Jsonata:
        compiled: Jsonata | None = getattr(self._compiled, "jsonata", None)
        if compiled is None:
            compiled = self._compiled.jsonata = Jsonata(self.text, compile_regular_expression)
            compiled.set_validate_input(validate_input=False)
            compiled.set_output_convert_nulls(output_convert_nulls=False)
        return compiled


_WORD: Final = re.compile(r"\$?\w+$")


def _start(text: str, end: int) -> int:
    """Where the word begins that ends at the character `end`, as the library counts; `end` when there is none."""
    word = _WORD.search(text[:end])
    return word.start() + 1 if word else end


_TOO_SLOW: Final = "D1012"
_OWN_WORDS: Final = ("D3137", "D3141")  # of $error and $assert


def _plain(value: Any, room: Room) -> Any:
    """The library's result as plain JSON; what is plain already is not copied, since it may be large."""
    room.take(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("yields NaN or Infinity, which JSON does not have")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if value is Utils.NULL_VALUE:
        return None
    if isinstance(value, dict):
        members = {_plain(key, room): _plain(item, room) for key, item in value.items()}
        return value if type(value) is dict and all(map(is_, members.values(), value.values())) else members
    if isinstance(value, list):
        items = [_plain(item, room) for item in value]
        return value if type(value) is list and all(map(is_, items, value)) else items
    raise TypeError("yields a function; call it")


def _reason(error: JException) -> str:
    if error.error in _OWN_WORDS:
        return str(error)
    # The library's texts were made from another language's, with every "function" turned into "Object".
    return str(error).replace("Object", "function").rstrip(".")
