"""Which names an expression uses: what is misspelt is found when the file is read, not in the middle of a run."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final

from ops_contract import nearest, suggestion
from ops_orchestrator.modules.adapters.jsonata_library import Jsonata

_REFUSED: Final = {
    "now": "a request made of the time cannot be made again",
    "millis": "a request made of the time cannot be made again",
    "random": "use `seed`, the run's only source of randomness",
    "shuffle": "use `seed`, the run's only source of randomness",
    "eval": "an answer must not be executed",
}
# No dot between two words, which leads to a field, unless it is a file's ending.
_PLAIN: Final = re.compile(r"\w+(?:[ /+:-]\w+)*(?:\.[a-z]{2,4})?")
_HYPHENED: Final = re.compile(r"[A-Za-z_]\w*(?:-\w+)+")
_FUNCTIONS: Final = frozenset(Jsonata.static_frame.bindings) - _REFUSED.keys()

# Attributes below which the context is still the one around the node, and those below which it is another.
_SAME_CONTEXT: Final = (
    *("lhs", "rhs", "expression", "expressions", "condition", "then", "_else", "arguments", "procedure", "body", "lhs_object"),
)
_OTHER_CONTEXT: Final = ("stages", "predicate", "group", "terms", "pattern", "update", "delete", "expr")

# Steps of a path that go through everything there is where the context is the whole one.
_ANYWHERE: Final = ("wildcard", "descendant", "sort")
# Functions that take the context for an argument that they lack, and how many arguments they have without it.
_OF_CONTEXT: Final = {
    "boolean": 1,
    "clone": 1,
    "each": 2,
    "keys": 1,
    "lookup": 2,
    "not": 1,
    "sift": 2,
    "spread": 1,
    "string": 1,
}

EVERYTHING: Final[tuple[str, ...]] = ()
"""The path to the whole context."""


class NameUseError(Exception):
    """A name that nothing has or that cannot be used so; `position` is that of its first character, counted from 1."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


def is_plain_text(text: str) -> bool:
    """Does an expression look like a text whose quotes are missing: a word, a media type, a language, a few words?"""
    return _PLAIN.fullmatch(text.strip()) is not None


def as_constant(text: str) -> str:
    """How the text of an expression is written that is meant as it is."""
    return f"if it is meant as text, write it in quotes within quotes: '\"{text.strip()}\"'"


@dataclass(frozen=True)
class UsedNames:
    """What an expression refers to: `names` of the context, and `upstream` the steps that it names as `upstream.NAME`.

    `reads` has the paths that it follows from the context, each as far as it is plain names; EVERYTHING where it uses the
    context as a whole, or in a way of which no path can be told.
    """

    names: frozenset[str]
    upstream: frozenset[str]
    reads: frozenset[tuple[str, ...]]


def used_names(ast: Any, text: str, names: Collection[str]) -> UsedNames:
    """What the expression uses. Raises NameUseError for what is not among `names`, and for what cannot be used."""
    bound = {name for node in _nodes(ast) for name in _bound_names(node)}
    check = _Check(text, names, bound, piped=[node.rhs for node in _nodes(ast) if node.type == "apply"])
    check.visit(ast, at_root=True)
    return UsedNames(frozenset(check.used), frozenset(check.upstream), frozenset(check.reads))


class _Check:
    def __init__(self, text: str, names: Collection[str], bound: set[str], piped: list[Any]) -> None:
        self.used: set[str] = set()
        self.upstream: set[str] = set()
        self.reads: set[tuple[str, ...]] = set()
        self._text = text
        self._names = names
        self._bound = bound
        # The calls that are given what stands before `~>`, besides their arguments.
        self._piped = piped

    def visit(self, node: Any, *, at_root: bool) -> None:
        """Check `node`, whose context is the whole context when `at_root`."""
        if isinstance(node, list | tuple):
            for item in node:
                self.visit(item, at_root=at_root)
        elif hasattr(node, "type"):
            if node.type == "path":
                self._path(node.steps, at_root=at_root)
            elif node.type == "variable":
                self._variable(node)
            elif node.type == "name" and at_root:
                self._known(node)
            if self._takes_everything(node, at_root=at_root):
                self.reads.add(EVERYTHING)
            for attribute in _SAME_CONTEXT:
                self.visit(getattr(node, attribute, None), at_root=at_root)
            for attribute in _OTHER_CONTEXT:
                self.visit(getattr(node, attribute, None), at_root=False)
            self._filters(node)

    def _filters(self, node: Any) -> None:
        for stage in (*(getattr(node, "stages", None) or ()), *(getattr(node, "predicate", None) or ())):
            chosen: Any = getattr(stage, "expr", None)
            if getattr(chosen, "type", None) == "string":
                message = f"[{chosen.value!r}] filters nothing; a field is chosen as .`{chosen.value}`"
                raise NameUseError(chosen.position, message)

    def _path(self, steps: list[Any], *, at_root: bool) -> None:
        for index, step in enumerate(steps):
            if step.type == "name" and at_root:
                self._reads_along(steps[index:])
            is_context = _is_context(step, at_root=at_root)
            leads_on = is_context and index + 1 < len(steps) and not _is_used_otherwise(step)
            if not leads_on:
                self.visit(step, at_root=at_root)
            # After `@` the context is still what it was.
            at_root = is_context or (at_root and _focus(step) is not None)

    def _reads_along(self, steps: list[Any]) -> None:
        names = list(takewhile(lambda step: step.type == "name", steps))
        end = next((at for at, step in enumerate(names, 1) if _focus(step) is not None or _is_filtered(step)), len(names))
        path = tuple(str(step.value) for step in names[:end])
        self.reads.add(path)
        if path[0] == "upstream":
            self.upstream.update(path[1:2])

    def _takes_everything(self, node: Any, *, at_root: bool) -> bool:
        """Does the node use the whole context, or something in it that cannot be named?"""
        if node.type == "function" and at_root:
            given = len(node.arguments) + any(node is call for call in self._piped)
            return given < _OF_CONTEXT.get(str(getattr(node.procedure, "value", "")), 0)
        return _is_context(node, at_root=at_root) or node.type == "parent" or (at_root and node.type in _ANYWHERE)

    def _known(self, node: Any) -> None:
        name = str(node.value)
        if name not in self._names:
            raise NameUseError(self._start(node, name), f"there is no {name!r} here; {self._hint(name, node.position)}")
        self.used.add(name)

    def _variable(self, node: Any) -> None:
        name = str(node.value)
        if name in _REFUSED:
            raise NameUseError(self._start(node, f"${name}"), f"${name} cannot be used: {_REFUSED[name]}")
        if name not in ("", "$") and name not in _FUNCTIONS and name not in self._bound:
            near = nearest(name, _FUNCTIONS | self._bound)
            meant = repr(name) if name in self._names else f"${near}" if near else None
            hint = f"; did you mean {meant}?" if meant else ""
            raise NameUseError(self._start(node, f"${name}"), f"there is no ${name}{hint}")

    def _start(self, node: Any, name: str) -> int:
        """Where the name of a node begins; the library counts to its end, and an operator's left side to the operator."""
        at = self._text.rfind(name, 0, node.position) + 1
        return at or int(node.position)

    def _hint(self, name: str, position: int) -> str:
        if is_plain_text(self._text) and nearest(name, self._names) is None:
            return f"there are: {', '.join(self._names)}; {as_constant(self._text)}"
        hyphened = [found[0] for found in _HYPHENED.finditer(self._text) if found.start() < position <= found.end()]
        if hyphened:
            return f"a name with a hyphen is written in backquotes: `{hyphened[0]}`"
        if name in _FUNCTIONS:
            return f"a function is called as ${name}(...)"
        if hint := suggestion(name, self._names):
            return hint
        return f"there are: {', '.join(self._names)}" if self._names else "nothing is known here"


def _is_context(node: Any, *, at_root: bool) -> bool:
    """Is it `$$`, or `$` where that is the same? After any other step, `$` is what that step found."""
    return node.type == "variable" and (node.value == "$" or (node.value == "" and at_root))


def _is_used_otherwise(step: Any) -> bool:
    """Is the value of a step used by more than the step after it: bound to a variable, filtered, or grouped?"""
    return any(getattr(step, attribute, None) for attribute in ("focus", "stages", "predicate", "group"))


def _is_filtered(step: Any) -> bool:
    """Does it depend on the values of its items which of them are taken?"""
    return any(getattr(stage.expr, "type", None) != "number" for stage in getattr(step, "stages", None) or ())


def _focus(step: Any) -> str | None:
    """The variable to which `@` binds what a step found."""
    focus = getattr(step, "focus", None)
    return focus if isinstance(focus, str) else None


def _nodes(node: Any) -> Iterator[Any]:
    """The nodes of a syntax tree, from the top."""
    if isinstance(node, list | tuple):
        for item in node:
            yield from _nodes(item)
    elif hasattr(node, "type"):
        yield node
        for attribute in ("steps", *_SAME_CONTEXT, *_OTHER_CONTEXT):
            yield from _nodes(getattr(node, attribute, None))


def _bound_names(node: Any) -> Iterator[str]:
    """The variables that a node makes: by `:=`, as a function's parameters, by `@` and `#`."""
    if node.type == "bind":
        yield str(node.lhs.value)
    if node.type == "lambda":
        yield from (str(argument.value) for argument in node.arguments)
    for attribute in ("focus", "index"):
        if isinstance(name := getattr(node, attribute, None), str):
            yield name
