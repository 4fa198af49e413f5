"""The file that registers a stack's modules, and the variables that one of the test's own takes their addresses from."""

import json
from collections.abc import Mapping
from pathlib import Path


def url_variables(urls: Mapping[str, str]) -> dict[str, str]:
    """The addresses of modules as variables of the environment, which `modules.yaml` may name."""
    return {f"{name.upper().replace('-', '_')}_URL": url for name, url in urls.items()}


def write_modules_file(path: Path, urls: Mapping[str, str]) -> Path:
    """Write a `modules.yaml` that registers a module at each URL; returns `path`. JSON is YAML."""
    path.write_text(json.dumps({"modules": {name: {"url": url} for name, url in urls.items()}}, indent=2), encoding="utf-8")
    return path
