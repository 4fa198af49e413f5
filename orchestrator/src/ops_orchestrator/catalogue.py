"""modules.yaml: which modules there are and how they are called."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar

from ops_contract import ShapeError, join_pointer, validate
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.module import CallOptions, Module
from ops_orchestrator.yaml_file import YamlFile, read_yaml

Options = TypeVar("Options", bound=CallOptions)

_SECTIONS: Final = ("defaults", "modules")


@dataclass(frozen=True)
class Catalogue:
    """The registered modules by name, in the order of the file. Modules are called at these addresses and no others."""

    modules: Mapping[str, Module]


def load_catalogue(path: Path, environment: Mapping[str, str]) -> Catalogue:
    """Read modules.yaml, `${NAME}` and `${NAME:-default}` taken from `environment`. Raises ConfigurationError."""
    file = read_yaml(path, environment)
    document = _mapping(file, "", file.value)
    for section in document:
        if section not in _SECTIONS:
            raise _unknown(file, join_pointer("", section), section, _SECTIONS)
    defaults = _given(file, "/defaults", document.get("defaults"))
    _checked(file, CallOptions, "/defaults", defaults)
    entries = _mapping(file, "/modules", document.get("modules"))
    modules = {name: _module(file, name, defaults, entry) for name, entry in entries.items()}
    return Catalogue(modules)


def _module(file: YamlFile, name: str, defaults: dict[str, Any], entry: Any) -> Module:
    pointer = join_pointer("/modules", name)
    given = _given(file, pointer, entry)
    if "name" in given:
        raise _unknown(file, f"{pointer}/name", "name", Module.model_fields)
    return _checked(file, Module, pointer, {**defaults, **given, "name": name})


def _given(file: YamlFile, pointer: str, value: Any) -> dict[str, Any]:
    """What a mapping sets. A value left empty, such as `image_digest: ${DIGEST:-}`, means "not given"."""
    return {key: item for key, item in _mapping(file, pointer, value).items() if item is not None}


def _mapping(file: YamlFile, pointer: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigurationError(f"{file.place(pointer)}: must be a mapping, not {value!r}")
    return value


def _checked(file: YamlFile, model: type[Options], pointer: str, value: dict[str, Any]) -> Options:
    try:
        return validate(model, value, pointer)
    except ShapeError as error:
        unknown = [problem for problem in error.problems if problem.message == "is not a known field"]
        # A key that is misspelt is the reason why another is missing.
        problem = (unknown or error.problems)[0]
        key = problem.pointer.rpartition("/")[2]
        if unknown:
            raise _unknown(file, pointer + problem.pointer, key, model.model_fields) from error
        raise ConfigurationError(f"{file.place(pointer + problem.pointer)}: {key} {problem.message}") from error


def _unknown(file: YamlFile, pointer: str, key: str, known: Any) -> ConfigurationError:
    known = [name for name in known if name != "name"]  # the key that an entry stands under, not one inside it
    near = get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(known)}"
    return ConfigurationError(f"{file.place(pointer)}: unknown key {key!r}; {hint}")
