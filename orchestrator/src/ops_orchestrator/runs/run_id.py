"""The ids of runs, in the seed's form: run_2026-01-09T12-34-56Z_ab12cd; and those of sweeps, which are made in the same way."""

import re
import secrets
from typing import Final

from ops_orchestrator.runs.events import now

_TIME_AND_NUMBER: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}Z_[0-9a-f]{6}"

RUN_ID: Final = re.compile(f"run_{_TIME_AND_NUMBER}")
"""What a run id looks like. Safe as the name of a folder."""

SWEEP_ID: Final = re.compile(f"sweep_{_TIME_AND_NUMBER}")
"""What the id of a sweep looks like. Safe as the name of a folder."""


def new_run_id() -> str:
    """A new run id."""
    return f"run_{_time_and_number()}"


def new_sweep_id() -> str:
    """A new id of a sweep."""
    return f"sweep_{_time_and_number()}"


def _time_and_number() -> str:
    date_and_time, _, _ = now().partition(".")
    return f"{date_and_time.replace(':', '-')}Z_{secrets.token_hex(3)}"
