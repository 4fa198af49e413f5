"""`ops run --label KEY=VALUE --deadline SECONDS`: run options for a scenario whose file stays as it is."""

import json
from collections.abc import Iterable
from typing import Annotated

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
