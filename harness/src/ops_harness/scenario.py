"""The scenario that a test gives: an object, or the path of its JSON file."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops_harness.errors import HarnessError

Scenario = Mapping[str, Any] | str | os.PathLike[str]
"""A scenario as an object, or the path of its JSON file."""


def read_scenario(scenario: Scenario, seed: int | None) -> dict[str, Any]:
    """The scenario as an object, with `seed` in the place of its own. Raises HarnessError for a file that has none."""
    document = dict(scenario) if isinstance(scenario, Mapping) else _read(Path(scenario))
    if seed is not None:
        document["run_options"] = {**document.get("run_options", {}), "seed": seed}
    return document


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise HarnessError(f"{path} cannot be read: {error.strerror}; paths count from {Path.cwd()}") from error
    except ValueError as error:
        raise HarnessError(f"{path} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise HarnessError(f"{path} is not a scenario: it must be an object with modules and inputs")
    return document
