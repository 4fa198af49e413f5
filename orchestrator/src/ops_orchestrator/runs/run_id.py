"""Run ids, in the seed's form: run_2026-01-09T12-34-56Z_ab12cd."""

import re
import secrets
from typing import Final

from ops_orchestrator.runs.events import now

RUN_ID: Final = re.compile(r"run_[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}Z_[0-9a-f]{6}")
"""What a run id looks like. Safe as the name of a folder."""


def new_run_id() -> str:
    """A new run id."""
    date_and_time, _, _ = now().partition(".")
    return f"run_{date_and_time.replace(':', '-')}Z_{secrets.token_hex(3)}"
