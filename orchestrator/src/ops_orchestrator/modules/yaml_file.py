"""A YAML file with `${NAME}` references resolved, that still knows on which line each value stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

import yaml

from ops_contract import is_secret, join_pointer
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.modules.references import BadReferenceError, resolved
from ops_orchestrator.modules.yaml_scalar import AmbiguousScalarError, meaning_of

_MERGE: Final = "tag:yaml.org,2002:merge"
# Far above any real file, and read in a second or two.
_MOST_BYTES: Final = 1024 * 1024
_MOST_VALUES: Final = 20_000
_DEEPEST: Final = 50


@dataclass(frozen=True)
class YamlFile:
    """The file's value, for each JSON pointer into it the line where it stands, counted from 1, and the variables in it.

    `written` has the text of each number and boolean, by JSON pointer: it may say more than the value, as 1.10 does.
    `taken` has the values of variables, `taken_at` by JSON pointer the names of those in a value.
    """

    path: Path
    value: Any
    lines: Mapping[str, int]
    written: Mapping[str, str]
    taken: Mapping[str, str]
    taken_at: Mapping[str, Sequence[str]]

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


def read_yaml(path: Path, environment: Mapping[str, str], content: bytes | None = None) -> YamlFile:
    """Read `path`, or its `content` where that is known already. Raises ConfigurationError, with file and line.

    Values are those of JSON; see `yaml_scalar`. Keys are text and stand once, references can be resolved, and the size of the
    file and of what it stands for is bounded.
    """
    text = _text_of(path, content_of(path) if content is None else content)
    try:
        _check_events(path, text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(f"{path}:{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    reader = _Reader(path, environment)
    value = None if root is None else reader.value("", root)
    return YamlFile(path, value, reader.lines, reader.written, reader.taken, reader.taken_at)


def content_of(path: Path) -> bytes:
    """The bytes of a file that `read_yaml` may read, or of one that is too large so many that it says so. Raises as it does."""
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES + 1)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}; set OPS_MODULES_FILE to your modules.yaml"
        raise ConfigurationError(message) from error


def _text_of(path: Path, raw: bytes) -> str:
    if len(raw) > _MOST_BYTES:
        raise ConfigurationError(f"cannot read {path}: it has more than {_MOST_BYTES} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigurationError(f"cannot read {path}:{line}: it is not UTF-8; save it in that encoding") from error


def _check_events(path: Path, text: str) -> None:
    """Refuse tags, and too many values or levels, before anything is made of them: the composer is recursive."""
    depth, values = 0, 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        place = f"{path}:{event.start_mark.line + 1 if event.start_mark else 1}"
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        values += isinstance(event, yaml.NodeEvent)
        if tag := getattr(event, "tag", None):
            raise ConfigurationError(f"{place}: the tag {tag} cannot be used; leave it out, and quote what is text")
        if depth > _DEEPEST or values > _MOST_VALUES:
            bound = f"{_DEEPEST} levels" if depth > _DEEPEST else f"{_MOST_VALUES} values"
            raise ConfigurationError(f"{place}: the file has more than {bound}")


class _Reader:
    """Turns YAML nodes into values, remembering lines."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self.lines: dict[str, int] = {}
        self.written: dict[str, str] = {}
        self.taken: dict[str, str] = {}
        self.taken_at: dict[str, list[str]] = {}
        self._path = path
        self._environment = environment
        self._around: list[yaml.Node] = []
        self._values = 0

    def value(self, pointer: str, node: yaml.Node) -> Any:
        self.lines.setdefault(pointer, node.start_mark.line + 1)
        self._values += 1
        if self._values > _MOST_VALUES:  # a few lines of aliases can stand for billions
            raise self._error(node, f"the file has more than {_MOST_VALUES} values, counting what its aliases stand for")
        if node in self._around:
            raise self._error(node, "a value stands inside itself")
        self._around.append(node)
        try:
            return self._value(pointer, node)
        finally:
            self._around.pop()

    def _error(self, node: yaml.Node, message: str) -> ConfigurationError:
        return ConfigurationError(f"{self._path}:{node.start_mark.line + 1}: {message}")

    def _value(self, pointer: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(pointer, node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(join_pointer(pointer, index), child) for index, child in enumerate(node.value)]
        return self._scalar(pointer, node) if isinstance(node, yaml.ScalarNode) else None

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
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(key_node, "a key must be text")
            key = self._unicode(key_node, key_node.value)
            if key in mapping:
                raise self._error(key_node, f"the key {key!r} stands twice")
            below = join_pointer(pointer, key)
            self.lines[below] = key_node.start_mark.line + 1
            mapping[key] = self.value(below, value_node)
        # What a mapping says itself wins over what it merges, and an earlier one of those over a later.
        for other in chain.from_iterable(merged):
            mapping = {**other, **mapping}
        return mapping

    def _merged(self, pointer: str, node: yaml.Node) -> list[dict[str, Any]]:
        value = self.value(pointer, node)
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(item, dict) for item in values):
            raise self._error(node, "<< takes a mapping, or a list of them")
        return values

    def _scalar(self, pointer: str, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        try:
            # What a plain scalar means is decided by the text that a reference in it stands for: ${RETRIES:-2} is a number.
            text = self._unicode(node, resolved(text, partial(self._take, pointer)))
            value = meaning_of(text) if node.style is None else text
        except (BadReferenceError, AmbiguousScalarError) as error:
            raise self._error(node, str(error)) from error
        if not isinstance(value, str) and value is not None:
            self.written[pointer] = text
        return value

    def _unicode(self, node: yaml.Node, text: str) -> str:
        """`text`, in which the escapes of a surrogate pair stand for one character, as they do in JSON."""
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise self._error(node, "the text is not Unicode: it holds half of a surrogate pair, or other bytes") from None

    def _take(self, pointer: str, name: str) -> str | None:
        # An empty variable counts as not set, as it does with `:-` in a shell and in Compose.
        value = self._environment.get(name) or None
        if value is not None:
            self.taken[name] = value
            self.taken_at.setdefault(pointer, []).append(name)
        return value
