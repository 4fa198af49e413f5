"""The entry point of `ops-contract`: it needs more than the contract itself, and says so."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command, or say what is missing."""
    try:
        from ops_contract.compliance.cli import main as run  # noqa: PLC0415  # to be able to say what is missing
    except ModuleNotFoundError as error:
        sys.stderr.write(f"ops-contract: {error.name} is missing; install openpolicystack-contract[kit]\n")
        sys.exit(4)
    run()
