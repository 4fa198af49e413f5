"""Run ids, in the seed's form: run_2026-01-09T12-34-56Z_ab12cd."""

import re
import secrets
from datetime import UTC, datetime
from typing import Final

RUN_ID: Final = re.compile(r"run_[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}Z_[0-9a-f]{6}")
"""What a run id looks like. Safe as the name of a folder."""


def new_run_id() -> str:
    """A new run id."""
    return f"run_{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}_{secrets.token_hex(3)}"
