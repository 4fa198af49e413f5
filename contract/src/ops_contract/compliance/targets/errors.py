"""The error of a target that cannot be checked."""

from ops_contract.compliance.result import ExitCode


class TargetError(Exception):
    """A target cannot be started or reached; the message says why and what to do, `exit_code` whose fault it is."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.UNREACHABLE) -> None:
        super().__init__(message)
        self.exit_code = exit_code
