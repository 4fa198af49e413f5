"""Spans of time as options take them, such as 90d."""

import re
from datetime import timedelta
from typing import Final

from ops_orchestrator.errors import ConfigurationError

_AGE: Final = re.compile(r"([0-9]{1,5})([hdw])")
_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def read_age(option: str, text: str) -> timedelta:
    """The span that `text` names, the value of `option`. Raises ConfigurationError."""
    age = _AGE.fullmatch(text)
    if age is None:
        raise ConfigurationError(f"{option} must be a number of hours, days or weeks such as 36h, 90d or 12w, not {text!r}")
    return int(age[1]) * _UNITS[age[2]]
