"""modules.yaml: which modules there are and how they are called."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

from ops_contract import ShapeError, canonical_json, is_secret, join_pointer, split_pointer, suggestion, validate
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.masking import Secrets
from ops_orchestrator.modules.adapters import BUILT_IN
from ops_orchestrator.modules.adapters.body_declaration import BODIES
from ops_orchestrator.modules.call_options import CallOptions
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.yaml_file import YamlFile, read_yaml

Options = TypeVar("Options", bound=CallOptions)

_SECTIONS: Final = ("defaults", "modules")
_NAMED_PARTS: Final = ("query", "headers", "form", "multipart")
# Where an adapter sends what identifies its caller.
_SENT_ASIDE: Final = re.compile("/modules/[^/]+/adapter/actions/[^/]+/(headers|query|poll/query)/")


@dataclass(frozen=True)
class Catalogue:
    """The registered modules by name, in the order of the file. Modules are called at these addresses and no others."""

    modules: Mapping[str, Module]
    frozen: dict[tuple[str, ...], bytes] = field(default_factory=dict, compare=False, repr=False)
    """The modules.json of runs, by the modules that they call; see `freeze_modules`."""


def load_catalogue(path: Path, environment: Mapping[str, str], content: bytes | None = None) -> Catalogue:
    """Read modules.yaml, or its `content` where that is known already. Raises ConfigurationError.

    `${NAME}` and `${NAME:-default}` are taken from `environment`.
    """
    file = read_yaml(path, environment, content)
    try:
        return _catalogue(file)
    except ConfigurationError as error:
        message = _secrets(file, "").masked_message(file.without_secrets(str(error)))
        raise ConfigurationError(message) from None  # the original may show one


def _catalogue(file: YamlFile) -> Catalogue:
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
        raise _unknown(file, f"{pointer}/name", "name", _fields_at(Module, "/name"))
    if "adapter" in given:
        if "actions" in given:
            raise ConfigurationError(f"{file.place(f'{pointer}/actions')}: actions of a module with an adapter stand below it")
        _refuse_rewritten(file, f"{pointer}/adapter")
        given["adapter"] = _declaration(file, f"{pointer}/adapter", given["adapter"])
    return _checked(file, Module, pointer, {**defaults, **given, "name": name}).with_secrets(_secrets(file, pointer))


def _secrets(file: YamlFile, pointer: str) -> Secrets:
    """The values taken from the environment below `pointer`, where the variable or the place says that they are secrets."""
    places = [(at, names) for at, names in file.taken_at.items() if at.startswith(f"{pointer}/")]
    return Secrets.of(
        file.taken[name] for place, names in places for name in names if is_secret(name) or _SENT_ASIDE.match(place)
    )


def _refuse_rewritten(file: YamlFile, pointer: str) -> None:
    """Refuse a number in an adapter that is sent as it is not written: 1.10, which may be a version, would go out as 1.1."""
    for below, text in file.written.items():
        option = below.rpartition("/")[2] in CallOptions.model_fields
        if below.startswith(f"{pointer}/") and text not in ("true", "false") and not option:
            sent = canonical_json(json.loads(text)).decode()
            if sent != text:
                raise ConfigurationError(
                    f"{file.place(below)}: {text} would be sent as {sent}; write that, or quote it if it is text"
                )


def _declaration(file: YamlFile, pointer: str, value: Any) -> dict[str, Any]:
    """What an adapter declares, on top of the built-in one that it is made from."""
    declared = _given(file, pointer, {"base": value} if isinstance(value, str) else value)
    if "actions" in declared:
        own = _mapping(file, f"{pointer}/actions", declared["actions"]).items()
        declared["actions"] = {name: _given_parts(action) if isinstance(action, dict) else action for name, action in own}
    base = declared.get("base")
    if base is None:
        return declared
    if not isinstance(base, str) or base not in BUILT_IN:
        hint = suggestion(str(base), BUILT_IN) or f"there are: {', '.join(BUILT_IN)}"
        where = f"{pointer}/base" if isinstance(value, dict) else pointer
        raise ConfigurationError(f"{file.place(where)}: there is no built-in adapter {base!r}; {hint}")
    return _over(file, pointer, read_yaml(BUILT_IN[base], {}).value, declared)


def _over(file: YamlFile, pointer: str, base: dict[str, Any], declared: dict[str, Any]) -> dict[str, Any]:
    """`declared` laid over `base`: an action's keys one by one, everything else as a whole."""
    own = declared.get("actions")
    if not isinstance(own, dict):
        return {**base, **declared}
    known = base["actions"]
    for name, action in own.items():
        hint = suggestion(name, known)
        if name not in known and hint and isinstance(action, dict) and "path" not in action:
            where = file.place(join_pointer(f"{pointer}/actions", name))
            message = f"{declared['base']} has no action {name!r}; {hint} A new one needs a path"
            raise ConfigurationError(f"{where}: {message}")
    actions = {name: _over_action(known.get(name, {}), action) for name, action in own.items()}
    return {**base, **declared, "actions": {**known, **actions}}


def _over_action(known: dict[str, Any], action: Any) -> Any:
    """An action laid over the one of the base; its body takes the place of the other, of whatever kind that is."""
    if not isinstance(action, dict):
        return action
    replaced = BODIES if any(name in action for name in BODIES) else ()
    return {**{key: item for key, item in known.items() if key not in replaced}, **action}


def _given(file: YamlFile, pointer: str, value: Any) -> dict[str, Any]:
    """What a mapping sets. A value left empty, such as `image_digest: ${DIGEST:-}`, means "not given"."""
    return _without_empty(_mapping(file, pointer, value))


def _given_parts(action: dict[str, Any]) -> dict[str, Any]:
    """What an action declares; empty entries count as not given there and in its headers, query and fields too."""
    parts = {key: item for key, item in action.items() if key in _NAMED_PARTS and isinstance(item, dict)}
    return _without_empty({**action, **{key: _without_empty(item) for key, item in parts.items()}})


def _without_empty(mapping: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in mapping.items() if item is not None}


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
        unknown = [problem for problem in error.problems if problem.message.startswith("is not a known field")]
        # A key that is misspelt is the reason why another is missing.
        problem = (unknown or error.problems)[0]
        key = _named(problem.pointer)
        if unknown:
            raise _unknown(file, pointer + problem.pointer, key, _fields_at(model, problem.pointer)) from error
        hidden = _is_secret_place(problem.pointer)
        message = "cannot be used; it is not shown, since it may hold a secret" if hidden else problem.message
        if (written := file.written.get(pointer + problem.pointer)) and problem.message.startswith("must be a string"):
            message = f"must be text, not {written}; quote it"
        raise ConfigurationError(f"{file.place(pointer + problem.pointer)}: {key} {message}") from error


def _is_secret_place(pointer: str) -> bool:
    """Does it lead to what is sent under the name of a secret?"""
    return any(part in _NAMED_PARTS and is_secret(name) for part, name in pairwise(split_pointer(pointer)))


def _named(pointer: str) -> str:
    """The last key of `pointer` as people say it; entries of a list with the list's name."""
    *_, around, key = ("", "", *split_pointer(pointer))
    return f"{around}[{key}]" if key.isdecimal() else key


def _fields_at(model: type[BaseModel], pointer: str) -> list[str]:
    """The keys that may stand where `pointer` leads in a `model`."""
    annotation: Any = model
    for token in pointer.split("/")[1:-1]:
        annotation = _below(annotation, token)
    found = next((kind for kind in _kinds(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)), model)
    # A module's name is the key that its entry stands under, not one inside it.
    return [name for name in found.model_fields if found is not Module or name != "name"]


def _below(annotation: Any, token: str) -> Any:
    """What stands at `token` in a value of the type `annotation`."""
    for kind in _kinds(annotation):
        if get_origin(kind) is dict:
            return get_args(kind)[1]
        if get_origin(kind) is tuple:
            return get_args(kind)[0]
        if isinstance(kind, type) and issubclass(kind, BaseModel) and token in kind.model_fields:
            return kind.model_fields[token].annotation
    return None


def _kinds(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in (Annotated, Union, UnionType):
        for inner in get_args(annotation):
            yield from _kinds(inner)
    else:
        yield annotation


def _unknown(file: YamlFile, pointer: str, key: str, known: Sequence[str]) -> ConfigurationError:
    hint = suggestion(key, known) or f"known are: {', '.join(known)}"
    return ConfigurationError(f"{file.place(pointer)}: unknown key {key!r}; {hint}")
