"""modules.json of a run: how its modules are called, so that it can go on or be reproduced after modules.yaml has changed."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Final

from pydantic import Field

from ops_contract import MASK, ContractModel, Identifier, ShapeError, join_pointer, parse_json, validate
from ops_orchestrator.errors import ChangedModuleError
from ops_orchestrator.modules.adapters.declaration import WITHOUT_EFFECT, Action, Adapter
from ops_orchestrator.modules.adapters.poll_mapping import WAITS
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.module import Module

MOST_VALUES: Final = 60_000
"""More than the largest modules.yaml stands for."""

_FROM_THE_RUN: Final = frozenset({"actions", "adapter", "timeout_s"})
_DEADLINES: Final = "deadlines"


class _Document(ContractModel):
    modules: dict[Identifier, dict[str, Any]]


class _Modules(ContractModel):
    modules: dict[str, Module]


class _Deadlines(ContractModel):
    modules: dict[str, dict[str, Annotated[float, Field(gt=0)]]]


def freeze_modules(catalogue: Catalogue, names: Iterable[str]) -> bytes:
    """modules.json for a run that calls the modules `names` of `catalogue`: `{"modules": {name: entry}}`.

    An entry is the one in effect, as it could stand in modules.yaml, with secrets masked. Where requests have the deadlines of
    an earlier run, whose time-outs were others, `deadlines` has them by action. The same modules give the same bytes, all of
    them ASCII without control characters.
    """
    key = tuple(names)
    if key not in catalogue.frozen:
        entries = {name: _frozen(catalogue.modules[name]) for name in key}
        catalogue.frozen[key] = json.dumps({"modules": entries}, indent=2).encode() + b"\n"
    return catalogue.frozen[key]


def restore_modules(content: bytes, catalogue: Catalogue) -> Catalogue:
    """The modules of a run that goes on or is reproduced, from its modules.json and from what is registered in `catalogue`.

    What is sent and how an answer is read stay as they were when the run began: actions and mappings are those of the document,
    and `options.deadline_s` of a request follows its time-outs, so that a step that is sent again has the same body.
    What cannot change a result is today's, since it may have been corrected: address, time-outs, retries, health check, shared
    volume and secrets. The image digest comes with the address, because it says what answers there: steps that are still to
    be executed get that of today, and completed ones keep theirs in the run's record.

    Raises JsonError and ShapeError, with JSON pointers, for a document that is damaged, and ChangedModuleError for a module
    that is not registered any more, or whose secret or shared volume is not. Expressions are compiled: some milliseconds.
    """
    document, deadlines = _read(content)
    registered = {name: _registered(name, catalogue) for name in document}
    entries = {name: _entry(name, kept, registered[name]) for name, kept in document.items()}
    frozen = validate(_Modules, {"modules": entries}, "modules.json").modules
    return Catalogue({name: _restored(module, registered[name], deadlines[name]) for name, module in frozen.items()})


def recorded_modules(content: bytes) -> Catalogue:
    """The modules of a run as its modules.json alone has them, with masks for secrets: good for anything but calling them.

    Raises JsonError and ShapeError, with JSON pointers, for a document that is damaged, and ChangedModuleError for one that
    cannot be read without its secrets.
    """
    document, deadlines = _read(content)
    try:
        modules = validate(_Modules, {"modules": _with_quoted_masks(document)}, "modules.json").modules
    except ShapeError as error:
        if MASK.encode() not in content:
            raise
        reason = f"modules.json of the run cannot be used without the secrets that are masked in it: {error}"
        raise ChangedModuleError(f"{reason}. Reproduce the run with its modules.") from error
    return Catalogue(
        {name: module.model_copy(update={"earlier_deadlines": deadlines[name]}) for name, module in modules.items()}
    )


def _read(content: bytes) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, float]]]:
    """By module, its entry in modules.json, and the deadlines that stand beside it."""
    modules = validate(_Document, parse_json(content, max_values=MOST_VALUES), "modules.json").modules
    deadlines = {name: entry.pop(_DEADLINES, {}) for name, entry in modules.items()}
    return modules, validate(_Deadlines, {"modules": deadlines}, "modules.json").modules


def _frozen(module: Module) -> dict[str, Any]:
    """The entry, and beside it the deadlines that do not follow from its time-outs."""
    plain = module.model_copy(update={"earlier_deadlines": {}})
    deadlines = {
        action: deadline_s
        for action, deadline_s in module.earlier_deadlines.items()
        if deadline_s != plain.for_action(action).deadline_s(action)
    }
    return module.declared() | ({_DEADLINES: deadlines} if deadlines else {})


def _with_quoted_masks(entries: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The entries with each expression that is masked as a whole made one that yields the mask, as it stands in requests."""
    text = json.dumps(MASK)

    def unmasked(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: unmasked(item) for name, item in value.items()}
        return text if value == MASK else value

    def quoted(action: Any) -> Any:
        if not isinstance(action, dict):
            return action
        masked = {part: unmasked(action[part]) for part in ("query", "headers", "form", "multipart") if part in action}
        return action | masked | ({"poll": quoted(action["poll"])} if "poll" in action else {})

    def changed(entry: dict[str, Any]) -> dict[str, Any]:
        adapter = entry.get("adapter")
        if not isinstance(adapter, dict) or not isinstance(adapter.get("actions"), dict):
            return entry
        actions = {name: quoted(action) for name, action in adapter["actions"].items()}
        return entry | {"adapter": adapter | {"actions": actions}}

    return {name: changed(entry) for name, entry in entries.items()}


def _registered(name: str, catalogue: Catalogue) -> Module:
    module = catalogue.modules.get(name)
    if module is None:
        # A folder may come from elsewhere, and must not choose the addresses that are called.
        raise ChangedModuleError(f"{name} is not registered in modules.yaml any more. Register it, and try again.")
    return module


def _entry(name: str, kept: dict[str, Any], registered: Module) -> dict[str, Any]:
    """The parts of the entry `kept` that come from the run, with their secrets, and the rest from today's."""
    pointer = join_pointer("/modules", name)
    plain, masked = registered.model_dump(mode="json", exclude_none=True), registered.declared()
    today = {field: value for field, value in plain.items() if field not in _FROM_THE_RUN}
    parts = {field: value for field, value in kept.items() if field in _FROM_THE_RUN}
    return {**today, **_with_secrets(pointer, parts, masked, plain)}


def _with_secrets(pointer: str, kept: Any, masked: Any, plain: Any) -> Any:
    """`kept` with secrets in the place of masks: those of the value registered today, which is given `masked` and `plain`.

    Where only a part of a text is masked, the rest of it must not have changed: nobody could say where the secret belongs.
    """
    if kept == masked:
        return plain
    match kept:
        case dict():
            return {
                _unmasked(join_pointer(pointer, key), key): _with_secrets(
                    join_pointer(pointer, key), item, _at(masked, key), _at(plain, key)
                )
                for key, item in kept.items()
            }
        case list():
            return [
                _with_secrets(join_pointer(pointer, index), item, _at(masked, index), _at(plain, index))
                for index, item in enumerate(kept)
            ]
        case str():
            return plain if kept == MASK and isinstance(plain, str) else _unmasked(pointer, kept)
        case _:
            return kept


def _at(value: Any, token: str | int) -> Any:
    """What is directly inside a JSON value, None when nothing is there."""
    match value, token:
        case dict(), str():
            return value.get(token)
        case list(), int() if token < len(value):
            return value[token]
        case _:
            return None


def _unmasked(pointer: str, text: str) -> str:
    if MASK in text:
        raise ChangedModuleError(
            f"modules.json of the run has {MASK} in the place of a secret, at {pointer!r}, and modules.yaml does not have the"
            " text that belongs there any more. Register the module as it was when the run began, and try again."
        )
    return text


def _restored(frozen: Module, registered: Module, earlier: dict[str, float]) -> Module:
    adapter = frozen.adapter and _adapter(frozen.name, frozen.adapter, registered.adapter)
    deadlines = {action: frozen.for_action(action).deadline_s(action) for action in frozen.action_names} | earlier
    return registered.model_copy(update={"actions": frozen.actions, "adapter": adapter, "earlier_deadlines": deadlines})


def _adapter(name: str, frozen: Adapter, registered: Adapter | None) -> Adapter:
    if frozen.actions_with_files and (registered is None or registered.artifacts_root is None):
        # A folder may come from elsewhere, and must not choose the files that are read.
        raise ChangedModuleError(
            f"{name} takes artifacts from a shared volume, and modules.yaml has no artifacts_root for it any more."
            " Register it with one, and try again."
        )
    if registered is None:
        return frozen
    actions = {name: _action(action, registered.actions.get(name)) for name, action in frozen.actions.items()}
    return registered.model_copy(update={"actions": actions})


def _action(frozen: Action, registered: Action | None) -> Action:
    if registered is None:
        return frozen
    today: dict[str, Any] = {name: getattr(registered, name) for name in WITHOUT_EFFECT}
    if frozen.poll and registered.poll:
        today["poll"] = frozen.poll.model_copy(update={name: getattr(registered.poll, name) for name in WAITS})
    return frozen.model_copy(update=today)
