"""What to do about a run that did not complete, as commands."""

import shlex
from typing import Any, Final

from ops_orchestrator.runs.record import FORMAT

_CAN_BE_RESUMED: Final = ("failed", "errored", "cancelled", "interrupted")
_BREACH: Final = "INVALID_ANSWER"
_LATE: Final = "RUN_DEADLINE"
_EXECUTE: Final = "/execute"


def next_step(record: dict[str, Any]) -> str:
    """The commands that help with the run of this record; empty when none does, or when its error names them itself."""
    error = record["error"] or {}
    resume = f"ops runs resume {record['run_id']}"
    if record["status"] not in _CAN_BE_RESUMED or record.get("format", 1) < FORMAT:
        return ""
    if error.get("code") == _LATE or resume in error.get("message", ""):
        return ""
    step = next((step for step in record["steps"] if step["id"] == error.get("step")), None)
    if error.get("code") != _BREACH or step is None:
        return resume
    return f"{check_command(step['module'], step.get('adapter'), (step.get('exchange') or {}).get('url', ''))}, then {resume}"


def check_command(module: str, adapter: str | None, url: str) -> str:
    """The command that checks a module against the contract, which was called at `url`."""
    if adapter:
        return shlex.join(("ops-contract", "check", "--adapter", f"modules.yaml:{module}"))
    return shlex.join(("ops-contract", "check", url.removesuffix(_EXECUTE) if url.endswith(_EXECUTE) else "URL"))
