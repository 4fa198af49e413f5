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
_HYPHENED: Final = re.compile(r"[A-Za-z_]\w*(?:-\w+)+")
_FUNCTIONS: Final = frozenset(Jsonata.static_frame.bindings) - _REFUSED.keys()

# Attributes below which the context is still the one around the node, and those below which it is another.
_SAME_CONTEXT: Final = (
    *("lhs", "rhs", "expression", "expressions", "condition", "then", "_else", "arguments", "procedure", "body", "lhs_object"),
)
_OTHER_CONTEXT: Final = ("stages", "predicate", "group", "terms", "pattern", "update", "delete", "expr")


class NameUseError(Exception):
    """A name that nothing has or that cannot be used so; `position` counts characters from the start of the expression."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True)
class UsedNames:
    """What an expression refers to: `names` of the context, and `upstream` the steps that it names as `upstream.NAME`.

    `reads` has the paths that it follows from the context, each as far as it is plain names.
    """

    names: frozenset[str]
    upstream: frozenset[str]
    reads: frozenset[tuple[str, ...]]


def used_names(ast: Any, text: str, names: Collection[str]) -> UsedNames:
    """What the expression uses. Raises NameUseError for what is not among `names`, and for what cannot be used."""
    check = _Check(text, names, bound={name for node in _nodes(ast) for name in _bound_names(node)})
    check.visit(ast, at_root=True)
    return UsedNames(frozenset(check.used), frozenset(check.upstream), frozenset(check.reads))


class _Check:
    def __init__(self, text: str, names: Collection[str], bound: set[str]) -> None:
        self.used: set[str] = set()
        self.upstream: set[str] = set()
        self.reads: set[tuple[str, ...]] = set()
        self._text = text
        self._names = names
        self._bound = bound

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
                names = takewhile(lambda following: following.type == "name", steps[index:])
                path = tuple(str(following.value) for following in names)
                self.reads.add(path)
                if path[0] == "upstream":
                    self.upstream.update(path[1:2])
            self.visit(step, at_root=at_root)
            # `$` is the context itself, `$$` the whole one; after any other step it is what that step found.
            at_root = step.type == "variable" and (step.value == "$" or (step.value == "" and at_root))

    def _known(self, node: Any) -> None:
        name = str(node.value)
        if name not in self._names:
            raise NameUseError(node.position, f"there is no {name!r} here; {self._hint(name, node.position)}")
        self.used.add(name)

    def _variable(self, node: Any) -> None:
        name = str(node.value)
        if name in _REFUSED:
            raise NameUseError(node.position, f"${name} cannot be used: {_REFUSED[name]}")
        if name not in ("", "$") and name not in _FUNCTIONS and name not in self._bound:
            near = nearest(name, _FUNCTIONS | self._bound)
            meant = repr(name) if name in self._names else f"${near}" if near else None
            hint = f"; did you mean {meant}?" if meant else ""
            raise NameUseError(node.position, f"there is no ${name}{hint}")

    def _hint(self, name: str, position: int) -> str:
        hyphened = [found[0] for found in _HYPHENED.finditer(self._text) if found.start() < position <= found.end()]
        if hyphened:
            return f"a name with a hyphen is written in backquotes: `{hyphened[0]}`"
        if name in _FUNCTIONS:
            return f"a function is called as ${name}(...)"
        if hint := suggestion(name, self._names):
            return hint
        return f"there are: {', '.join(self._names)}" if self._names else "nothing is known here"


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
