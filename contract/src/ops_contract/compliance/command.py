"""The entry point of `ops-contract`, which says what to install when the extra `kit` is missing."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command, or say which package is missing."""
    try:
        from ops_contract.compliance.cli import main as run  # noqa: PLC0415  # imported here to report a missing package
    except ModuleNotFoundError as error:
        sys.stderr.write(f"ops-contract: the Python package {error.name} is missing; install openpolicystack-contract[kit]\n")
        sys.exit(4)
    run()
