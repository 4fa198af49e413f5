"""A YAML file with `${NAME}` references resolved, that still knows on which line each value stands."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import yaml

from ops_contract import is_secret, join_pointer
from ops_orchestrator.errors import ConfigurationError

_MERGE: Final = "tag:yaml.org,2002:merge"
_REFERENCE: Final = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


@dataclass(frozen=True)
class YamlFile:
    """The file's value, for each JSON pointer into it the line where it stands, counted from 1, and the variables in it."""

    path: Path
    value: Any
    lines: Mapping[str, int]
    taken: Mapping[str, str]

    def without_secrets(self, message: str) -> str:
        """`message` with the values of secret variables replaced by the references that brought them in."""
        for name, value in self.taken.items():
            if is_secret(name) and value:
                message = message.replace(value, f"${{{name}}}")
        return message

    def place(self, pointer: str) -> str:
        """`file:line` of the value at `pointer`, or of the nearest one around it."""
        while pointer and pointer not in self.lines:
            pointer = pointer.rpartition("/")[0]
        return f"{self.path}:{self.lines.get(pointer, 1)}"


def read_yaml(path: Path, environment: Mapping[str, str]) -> YamlFile:
    """Read `path`. Raises ConfigurationError with file and line for bad YAML, repeated keys and unset variables."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"cannot read {path}: {reason}; set OPS_MODULES_FILE to your modules.yaml") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(f"{path}:{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not YAML: {error}") from error
    reader = _Reader(path, environment)
    return YamlFile(path, None if root is None else reader.value("", root), reader.lines, reader.taken)


class _Reader:
    """Turns YAML nodes into values, remembering lines."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self.lines: dict[str, int] = {}
        self.taken: dict[str, str] = {}
        self._path = path
        self._environment = environment
        self._scalars = yaml.SafeLoader("")
        self._around: list[yaml.Node] = []

    def value(self, pointer: str, node: yaml.Node) -> Any:
        self.lines.setdefault(pointer, node.start_mark.line + 1)
        if node in self._around:
            raise ConfigurationError(f"{self._path}:{node.start_mark.line + 1}: a value stands inside itself")
        self._around.append(node)
        try:
            return self._value(pointer, node)
        finally:
            self._around.pop()

    def _value(self, pointer: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(pointer, node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(join_pointer(pointer, index), child) for index, child in enumerate(node.value)]
        return self._scalar(node) if isinstance(node, yaml.ScalarNode) else None

    def _mapping(self, pointer: str, node: yaml.MappingNode) -> dict[str, Any]:
        # First what is merged: the lines of the mapping's own keys then stand over those that it takes over.
        is_merge = [key_node.tag == _MERGE for key_node, _ in node.value]
        merged = [
            self._merged(pointer, value_node) for (_, value_node), merge in zip(node.value, is_merge, strict=True) if merge
        ]
        mapping: dict[str, Any] = {}
        for (key_node, value_node), merge in zip(node.value, is_merge, strict=True):
            if merge:
                continue
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in mapping:
                raise ConfigurationError(f"{self._path}:{line}: the key {key!r} stands twice")
            below = join_pointer(pointer, key)
            self.lines[below] = line
            mapping[key] = self.value(below, value_node)
        # What a mapping says itself wins over what it merges, and an earlier one of those over a later.
        for other in chain.from_iterable(merged):
            mapping = {**other, **mapping}
        return mapping

    def _merged(self, pointer: str, node: yaml.Node) -> list[dict[str, Any]]:
        value = self.value(pointer, node)
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(item, dict) for item in values):
            raise ConfigurationError(f"{self._path}:{node.start_mark.line + 1}: << takes a mapping, or a list of them")
        return values

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if "${" in node.value:
            text = _REFERENCE.sub(lambda match: self._resolve(match, node.start_mark.line + 1), node.value)
            # What a plain scalar means is decided by the text that the reference stands for: ${RETRIES:-2} is a number.
            plain = node.style is None
            tag = self._scalars.resolve(yaml.ScalarNode, text, (plain, not plain))  # type: ignore[no-untyped-call]  # untyped in its stubs
            node = yaml.ScalarNode(tag, text, node.start_mark, node.end_mark, node.style)
        try:
            return self._scalars.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            reason = getattr(error, "problem", None) or error
            raise ConfigurationError(
                f"{self._path}:{node.start_mark.line + 1}: {node.value!r} cannot be read: {reason}"
            ) from error

    def _resolve(self, match: re.Match[str], line: int) -> str:
        name, default = match["name"], match["default"]
        if value := self._environment.get(name):
            self.taken[name] = value
            return value
        if default is None:
            raise ConfigurationError(f"{self._path}:{line}: {name} is not set; set it or write ${{{name}:-default}}")
        return default
