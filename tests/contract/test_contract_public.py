"""The public face of ops_contract: one list of names, and every name explained."""

import importlib
import importlib.resources
import inspect
import pkgutil

import pytest

import ops_contract

PRIVATE_MODULES = sorted(info.name for info in pkgutil.iter_modules(ops_contract.__path__) if info.name.startswith("_"))


# Of classes, functions and methods, ruff asks for docstrings; a type alias or a constant has its own below its assignment.
VALUES = [
    name
    for name in ops_contract.__all__
    if not inspect.isclass(getattr(ops_contract, name)) and not inspect.isfunction(getattr(ops_contract, name))
]


def _source(module: str) -> str:
    return inspect.getsource(importlib.import_module(f"ops_contract.{module}"))


def test_public_names_are_what_the_private_modules_export() -> None:
    exported = [name for module in PRIVATE_MODULES for name in importlib.import_module(f"ops_contract.{module}").__all__]
    assert sorted(exported) == sorted(ops_contract.__all__)


@pytest.mark.parametrize("name", VALUES)
def test_public_value_is_explained_below_its_assignment(name: str) -> None:
    lines = [line for module in PRIVATE_MODULES for line in _source(module).splitlines()]
    starts = [at for at, line in enumerate(lines) if line.startswith((f"{name} ", f"{name}:"))]
    assert any('"""' in " ".join(lines[at : at + 7]) for at in starts)


def test_errors_have_one_root() -> None:
    errors = [value for value in vars(ops_contract).values() if inspect.isclass(value) and issubclass(value, Exception)]
    assert all(issubclass(error, ops_contract.ContractError) for error in errors)


def test_package_is_typed() -> None:
    assert importlib.resources.files(ops_contract).joinpath("py.typed").is_file()
