"""Commands of others that tests need: without one, a test is skipped, and fails in CI."""

import os
import shutil

import pytest


def needed_tool(command: str, package: str) -> str:
    """Where the command is, which the package of Debian holds."""
    found = shutil.which(command)
    if found is None:
        assert os.environ.get("CI") != "true", f"{command} is missing, and CI must not skip what needs it"
        pytest.skip(f"{command} is missing; .ci/install {command} {package} installs it")
    return found
