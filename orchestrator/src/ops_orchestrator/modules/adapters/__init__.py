"""Mappings for modules that do not follow the contract: declared in modules.yaml, never programmed per module."""

from pathlib import Path
from typing import Final

BUILT_IN: Final = {file.stem: file for file in sorted(Path(__file__).parent.glob("*.yaml"))}
"""The declarations that come with the orchestrator, by name: every YAML file of this folder."""
