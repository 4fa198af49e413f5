"""The compliance kit with one entry less in one of its lists of probes, or one kind of probe less, made from its own source."""

import ast
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any, Final

KIT: Final = Path(__file__).parents[1] / "contract/src/ops_contract/compliance"
PACKAGE: Final = "ops_contract.compliance.checks"
_CHECK: Final = "ops_contract.compliance.check"


GENERATORS: Final = ("mutants", "served_requests")
"""The files whose generators make what is sent; each `yield` is a kind of it."""


@dataclass(frozen=True)
class Shortening:
    """An entry that is taken out of the list `name` of `checks/{file}.py`: its index, or those of a list in a list.

    For a generator of that name, it is one of its `yield` statements, by its number.
    """

    file: str
    name: str
    at: tuple[int, ...]
    entry: str = ""

    def __str__(self) -> str:
        return f"{self.file}.{self.name} without {self.entry}"

    def code(self) -> CodeType:
        """The file without the entry, compiled."""
        path = KIT / f"checks/{self.file}.py"
        tree = ast.parse(path.read_text(encoding="utf-8"))
        *outer, last = self.at
        if self.name not in dict(_lists(tree)):
            self._yield_nothing(tree, last)
            return compile(tree, str(path), "exec")
        found: ast.expr = dict(_lists(tree))[self.name]
        for index in outer:
            found = _entries(found)[index]
        if isinstance(found, ast.Dict):
            del found.keys[last], found.values[last]
        elif isinstance(found, ast.Tuple | ast.List):
            del found.elts[last]
        return compile(tree, str(path), "exec")

    def _yield_nothing(self, tree: ast.Module, number: int) -> None:
        node = dict(_generators(tree))[self.name][number]
        node.value = ast.YieldFrom(ast.Tuple([], ast.Load()))
        ast.fix_missing_locations(node)

    def load(self) -> None:
        """Have this process import the shortened file in the place of the original one, and the checks anew."""
        for name in [name for name in sys.modules if name == _CHECK or name.startswith(PACKAGE)]:
            del sys.modules[name]
        sys.meta_path.insert(0, _Finder(f"{PACKAGE}.{self.file}", self))


def shortenings() -> Iterator[Shortening]:
    """Every entry of every list of constants in the kit's checks that has more than one, and every kind of generated probe."""
    for path in sorted((KIT / "checks").glob("*.py")):
        for name, found in _lists(ast.parse(path.read_text(encoding="utf-8"))):
            yield from _of(path.stem, name, found, ())
        if path.stem not in GENERATORS:
            continue
        for name, yields in _generators(ast.parse(path.read_text(encoding="utf-8"))):
            for number, one in enumerate(yields):
                yield Shortening(path.stem, name, (number,), ast.unparse(one)[:60])


def _of(file: str, name: str, found: ast.expr, outer: tuple[int, ...]) -> Iterator[Shortening]:
    entries = _entries(found)
    labels = found.keys if isinstance(found, ast.Dict) else entries
    for index, (entry, label) in enumerate(zip(entries, labels, strict=True)):
        if len(entries) > 1:
            yield Shortening(file, name, (*outer, index), ast.unparse(label or entry)[:60])
        if isinstance(found, ast.Dict) and isinstance(entry, ast.Tuple | ast.List):
            yield from _of(file, name, entry, (*outer, index))


def _lists(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.AnnAssign(target=ast.Name(id=name), value=value):
                if isinstance(value, ast.Tuple | ast.List | ast.Dict):
                    yield name, value


def _generators(tree: ast.Module) -> Iterator[tuple[str, list[ast.Expr]]]:
    """The statements with which each private generator of a file yields something."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("_"):
            statements = [one for one in ast.walk(node) if isinstance(one, ast.Expr)]
            if yields := [one for one in statements if isinstance(one.value, ast.Yield | ast.YieldFrom)]:
                yield node.name, yields


def _entries(found: ast.expr) -> list[ast.expr]:
    match found:
        case ast.Dict():
            return found.values
        case ast.Tuple() | ast.List():
            return found.elts
    return []


def checks_that_use(file: str, checks: Mapping[str, Any]) -> set[str]:
    """The checks of `checks/{file}.py`, and of all files that import it, or one that does."""
    used, imports = {file}, {path.stem: _imported(path) for path in (KIT / "checks").glob("*.py")}
    while grown := {name for name, imported in imports.items() if imported & used} - used:
        used |= grown
    return {name for name, run in checks.items() if run.__module__.removeprefix(f"{PACKAGE}.") in used}


def _imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {module.removeprefix(f"{PACKAGE}.") for module in modules if module.startswith(f"{PACKAGE}.")}


@dataclass(frozen=True)
class _Finder:
    module: str
    shortening: Shortening

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname != self.module:
            return None
        path = KIT / f"checks/{self.shortening.file}.py"
        loader = _Loader(fullname, str(path))
        loader.shortened = self.shortening.code()
        return importlib.util.spec_from_file_location(fullname, path, loader=loader)


class _Loader(SourceFileLoader):
    shortened: CodeType

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - as importlib calls it
        return self.shortened
