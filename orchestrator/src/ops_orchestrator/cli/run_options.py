"""What `ops run` is given besides its scenario's file: labels, a deadline, pins, a seed, an idempotency key."""

import json
import re
from collections.abc import Iterable
from typing import Annotated, Final

import typer

from ops_contract import ShapeError, parse_json, validate
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.planning.scenario import RunOptions

_LONGEST_KEY: Final = 255
_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,18})")

Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="KEY=VALUE", help="Give the run this label, also in place of the scenario's; repeatable."),
]
Deadline = Annotated[
    float | None,
    typer.Option("--deadline", metavar="SECONDS", help="How long the whole run may take, in place of the scenario's deadline."),
]
Pins = Annotated[
    list[str] | None,
    typer.Option("--pin", metavar="MODULE=VERSION", help="Refuse to run with another version of the module; repeatable."),
]


def whole_number(text: str) -> int:
    """The number that `text` writes as JSON does: what Python reads besides, such as 1_000, may be a slip."""
    if not _WHOLE.fullmatch(text):
        raise typer.BadParameter(f"must be a whole number such as 42, not {text[:60]!r}")
    return int(text)


Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", parser=whole_number, help="The seed of the run, in place of the scenario's."),
]

Key = Annotated[
    str | None,
    typer.Option("--key", metavar="KEY", help="Start the run once: with the same key again, the first run is shown."),
]


def checked_key(key: str | None) -> str | None:
    """`key` if it can be sent as a header as it is. Raises ConfigurationError."""
    if key is None or (0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable() and key == key.strip()):
        return key
    rule = f"1 to {_LONGEST_KEY} printable ASCII characters without spaces around them"
    raise ConfigurationError(f"--key must be {rule}, such as $(uuidgen), not {key[:60]!r}")


def with_run_options(
    scenario: bytes, labels: Iterable[str], deadline_s: float | None, pins: Iterable[str] = (), seed: int | None = None
) -> bytes:
    """`scenario`, which `read_scenario` accepts, with these `labels`, deadline, `pins` and `seed` in its run options.

    Raises ConfigurationError for a label that is not `KEY=VALUE` or a pin that is not `MODULE=VERSION`, and for what a run
    cannot have.
    """
    own_labels = _pairs("--label", "KEY=VALUE", labels)
    own_pins = _pairs("--pin", "MODULE=VERSION", pins)
    if not own_labels and not own_pins and deadline_s is None and seed is None:
        return scenario
    value = parse_json(scenario)
    options = value.get("run_options", {})
    changed = {**options, "labels": {**options.get("labels", {}), **own_labels}}
    if deadline_s is not None:
        changed["deadline_s"] = deadline_s
    if own_pins:
        changed["pin"] = {**options.get("pin", {}), **own_pins}
    if seed is not None:
        changed["seed"] = seed
    _check(changed)
    return json.dumps({**value, "run_options": changed}, ensure_ascii=False).encode()


def _pairs(option: str, form: str, texts: Iterable[str]) -> dict[str, str]:
    """What an option that is given several times says, by key. Raises ConfigurationError."""
    pairs: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator:
            raise ConfigurationError(f"{option} {text!r} has no value; write {option} {form}")
        if key in pairs:
            raise ConfigurationError(f"{option} {text!r}: the key {key!r} stands twice; a run has one value for each key")
        pairs[key] = value
    return pairs


def _check(options: dict[str, object]) -> None:
    try:
        validate(RunOptions, options, "run_options")
    except ShapeError as error:
        problem = error.problems[0]
        named = {"deadline_s": "--deadline", "pin": "--pin", "seed": "--seed"}
        option = named.get(problem.pointer.split("/")[1], "--label")
        raise ConfigurationError(f"{option} cannot be used: {problem.pointer} {problem.message}") from error
