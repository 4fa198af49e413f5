"""The file that registers a stack's modules, and the variables that one of the test's own takes their addresses from."""

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from ops_harness.errors import HarnessError

ORCHESTRATOR = "orchestrator"


def shipped_services() -> dict[str, Any]:
    """The services of the Compose file that this package ships: the orchestrator, and each stub."""
    return dict(yaml.safe_load(files(__package__).joinpath("compose.yaml").read_text(encoding="utf-8"))["services"])


def stub_names() -> set[str]:
    """The names of the modules that have a stub."""
    return set(shipped_services()) - {ORCHESTRATOR}


def url_variables(urls: Mapping[str, str]) -> dict[str, str]:
    """The addresses of modules as variables of the environment, which `modules.yaml` may name."""
    return {f"{name.upper().replace('-', '_')}_URL": url for name, url in urls.items()}


def write_modules_file(path: Path, urls: Mapping[str, str]) -> Path:
    """Write a `modules.yaml` that registers a module at each URL; returns `path`. JSON is YAML."""
    path.write_text(json.dumps({"modules": {name: {"url": url} for name, url in urls.items()}}, indent=2), encoding="utf-8")
    return path


def expect_addresses_from_variables(path: Path, modules: Iterable[str]) -> None:
    """Expect that the `modules.yaml` at `path` takes the address of each of `modules` from its variable.

    Raises HarnessError: a module that the stack never calls would pass for one that works.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return  # the orchestrator says what is wrong with it
    for name in modules:
        (variable,) = url_variables({name: ""})
        if f"${{{variable}" not in text:
            raise HarnessError(
                f"the stack would never call the given {name!r}: {path} has no ${{{variable}}}; "
                f"correct the name, or write url: ${{{variable}}} in the file"
            )
