"""How the command `ops` ends when it fails: errors become exit codes and sentences."""

from collections.abc import Mapping
from typing import Final

from ops_contract.command_line import End
from ops_orchestrator.errors import (
    ArchiveError,
    CannotReachError,
    ConfigurationError,
    OrchestratorError,
    RefusedError,
    RequestError,
    StoreError,
)
from ops_orchestrator.exit_code import ExitCode

_OTHER_CODES: Final[Mapping[type[OrchestratorError], ExitCode]] = {
    ArchiveError: ExitCode.NOT_COMPLETED,
    CannotReachError: ExitCode.UNREACHABLE,
}


def end_of(error: Exception) -> End | None:
    """The exit code and the sentence of an error that the orchestrator raises on purpose; None for any other."""
    match error:
        case RequestError():
            return End(ExitCode.USAGE, sentence(error))
        case ConfigurationError() | StoreError():
            return End(ExitCode.USAGE, str(error))
        case RefusedError():
            # A damaged run ends a command as one does that is read from its folder, a StoreError.
            of_500 = ExitCode.USAGE if error.slug == "damaged-run" else ExitCode.OUR_BUG
            waits = ExitCode.UNREACHABLE
            refused = {500: of_500, 429: waits, 503: waits, 507: waits}
            return End(refused.get(error.status, ExitCode.USAGE), str(error))
        case OrchestratorError():
            return End(_OTHER_CODES.get(type(error), ExitCode.OUR_BUG), str(error))
        case _:
            return None


def sentence(error: RequestError) -> str:
    """What is wrong with a request, each problem on a line of its own."""
    return "\n  ".join([f"{error.title}. {error.detail}", *map(str, error.problems)] if error.problems else [error.detail])


def clause(error: RequestError) -> str:
    """The `sentence` as it goes on after a colon."""
    whole = sentence(error)
    return f"{whole[:1].lower()}{whole[1:]}"
