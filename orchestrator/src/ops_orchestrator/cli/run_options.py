"""`ops run --label KEY=VALUE --deadline SECONDS --key KEY`: what a run is given besides its scenario's file."""

import json
from collections.abc import Iterable
from typing import Annotated, Final

import typer

from ops_contract import ShapeError, parse_json, validate
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.planning.scenario import RunOptions

Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="KEY=VALUE", help="Give the run this label, also in place of the scenario's; repeatable."),
]
Deadline = Annotated[
    float | None,
    typer.Option("--deadline", metavar="SECONDS", help="How long the whole run may take, in place of the scenario's deadline."),
]

Key = Annotated[
    str | None,
    typer.Option("--key", metavar="KEY", help="Start the run once: with the same key again, the first run is shown."),
]

_LONGEST_KEY: Final = 255


def checked_key(key: str | None) -> str | None:
    """`key` if it can be sent as a header as it is. Raises ConfigurationError."""
    if key is None or (0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable() and key == key.strip()):
        return key
    rule = f"1 to {_LONGEST_KEY} printable ASCII characters without spaces around them"
    raise ConfigurationError(f"--key must be {rule}, such as $(uuidgen), not {key[:60]!r}")


def with_run_options(scenario: bytes, labels: Iterable[str], deadline_s: float | None) -> bytes:
    """`scenario`, which `read_scenario` accepts, with these `labels` and this deadline in its run options.

    Raises ConfigurationError for a label that is not `KEY=VALUE`, and for what a run cannot have.
    """
    own_labels = _labels(labels)
    if not own_labels and deadline_s is None:
        return scenario
    value = parse_json(scenario)
    options = value.get("run_options", {})
    changed = {**options, "labels": {**options.get("labels", {}), **own_labels}}
    if deadline_s is not None:
        changed["deadline_s"] = deadline_s
    _check(changed)
    return json.dumps({**value, "run_options": changed}, ensure_ascii=False).encode()


def _labels(texts: Iterable[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator:
            raise ConfigurationError(f"--label {text!r} has no value; write --label KEY=VALUE")
        if key in labels:
            raise ConfigurationError(f"--label {text!r}: the key {key!r} stands twice; a run has one value for each key")
        labels[key] = value
    return labels


def _check(options: dict[str, object]) -> None:
    try:
        validate(RunOptions, options, "run_options")
    except ShapeError as error:
        problem = error.problems[0]
        option = "--deadline" if problem.pointer == "/deadline_s" else "--label"
        raise ConfigurationError(f"{option} cannot be used: {problem.pointer} {problem.message}") from error
