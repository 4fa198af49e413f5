"""The public face of ops_contract: one list of names, and every name explained."""

import importlib
import importlib.resources
import inspect
import pkgutil

import pytest

import ops_contract
from ops_contract import schemas

PRIVATE_MODULES = sorted(info.name for info in pkgutil.iter_modules(ops_contract.__path__) if info.name.startswith("_"))


def _explained(name: str) -> bool:
    """Whether a public name has a docstring of its own; a type alias or constant has the string below its assignment."""
    value = getattr(ops_contract, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        return bool(vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__)
    lines = [line for module in PRIVATE_MODULES for line in _source(module).splitlines()]
    starts = [at for at, line in enumerate(lines) if line.startswith((f"{name} ", f"{name}:"))]
    return any('"""' in " ".join(lines[at : at + 7]) for at in starts)


def _source(module: str) -> str:
    return inspect.getsource(importlib.import_module(f"ops_contract.{module}"))


def test_public_names_are_what_the_private_modules_export() -> None:
    exported = [name for module in PRIVATE_MODULES for name in importlib.import_module(f"ops_contract.{module}").__all__]
    assert sorted(exported) == sorted(ops_contract.__all__)


def test_public_names_are_sorted_and_unique() -> None:
    constants = [name for name in ops_contract.__all__ if name.isupper()]
    classes = [name for name in ops_contract.__all__ if name[0].isupper() and not name.isupper()]
    functions = [name for name in ops_contract.__all__ if name.islower()]
    assert ops_contract.__all__ == [*sorted(constants), *sorted(classes), *sorted(functions)]
    assert len(set(ops_contract.__all__)) == len(ops_contract.__all__)


@pytest.mark.parametrize("module", PRIVATE_MODULES)
def test_private_module_lists_its_exports_in_order(module: str) -> None:
    exported = importlib.import_module(f"ops_contract.{module}").__all__
    assert exported == sorted(exported, key=lambda name: (not name.isupper(), name.islower(), name))


@pytest.mark.parametrize("name", ops_contract.__all__)
def test_public_name_has_a_docstring(name: str) -> None:
    assert _explained(name)


@pytest.mark.parametrize("name", schemas.__all__)
def test_schema_function_has_a_docstring(name: str) -> None:
    assert getattr(schemas, name).__doc__


@pytest.mark.parametrize("name", [name for name in ops_contract.__all__ if inspect.isclass(getattr(ops_contract, name))])
def test_public_method_has_a_docstring(name: str) -> None:
    methods = {
        key: value
        for key, value in vars(getattr(ops_contract, name)).items()
        if not key.startswith(("_", "model_")) and isinstance(value, property | classmethod)
    }
    assert all(method.__doc__ for method in methods.values())


def test_errors_have_one_root() -> None:
    errors = [value for value in vars(ops_contract).values() if inspect.isclass(value) and issubclass(value, Exception)]
    assert all(issubclass(error, ops_contract.ContractError) for error in errors)


def test_package_is_typed() -> None:
    assert importlib.resources.files(ops_contract).joinpath("py.typed").is_file()
