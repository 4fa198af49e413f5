"""The `Prefer` request header (RFC 7240), as far as it concerns runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preference:
    """How long a caller waits: `wait_s` in seconds, None without end. `applied` is for `Preference-Applied`."""

    wait_s: float | None = None
    applied: str = ""


def read_preference(values: list[str]) -> Preference:
    """Read all `Prefer` headers. What is not understood is ignored, as RFC 7240 section 2 wants."""
    tokens = [token.partition(";")[0].strip().lower() for value in values for token in value.split(",")]
    for token in tokens:
        name, _, seconds = (part.strip(' "') for part in token.partition("="))
        if name == "wait" and seconds.isdecimal():
            return Preference(float(seconds), f"wait={seconds}")
    return Preference(0.0, "respond-async") if "respond-async" in tokens else Preference()
