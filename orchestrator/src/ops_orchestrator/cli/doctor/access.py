"""Who may use the service: whether it would start so, and the files of keys that it needs for that."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ops_orchestrator.cli.doctor.finding import Finding, Sign
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.service.access.keys_file import read_keys, why_exposed
from ops_orchestrator.service.access.open_rule import is_open_to_others, refuse_open
from ops_orchestrator.settings import Settings

_FIRST: Final = "make the first one with `ops keys add NAME --scope run`"


def access(settings: Settings) -> Iterator[Finding]:
    """Whether whoever reaches the service is asked for a key, and whether one counts; and the key that signs runs."""
    yield _without_keys(settings) if settings.api_keys_file is None else _with_keys(settings.api_keys_file)
    if settings.signing_key is not None:
        yield _signing(settings.signing_key)


def _without_keys(settings: Settings) -> Finding:
    try:
        refuse_open(settings)
    except ConfigurationError as error:
        message, _, remedy = str(error).partition(": ")
        return Finding("wrong", "access", f"the service does not start: {message}", remedy)
    if is_open_to_others(settings) and settings.open == "yes":
        message = "OPS_OPEN is yes: whoever reaches the service may run and read everything, without a key"
        return Finding("warning", "access", message, "name a file of keys in OPS_API_KEYS_FILE, if others may reach it")
    return Finding("ok", "access", "nobody is asked for a key, and this machine alone reaches the service")


def _with_keys(file: Path) -> Finding:
    try:
        keys, exposed = read_keys(file), why_exposed(file)
    except FileNotFoundError:
        return Finding("wrong", "access", f"there is no file of keys {file}, which OPS_API_KEYS_FILE names", _FIRST)
    except ConfigurationError as error:
        return _in_parts("wrong", "access", str(error))
    count = sum(not key.is_expired for key in keys)
    if not count:
        return Finding("warning", "access", f"{file} has no key that counts, so that nobody can use the service", _FIRST)
    if exposed is not None:
        return _in_parts("warning", "access", exposed)
    expired = f", {len(keys) - count} more have expired" if count < len(keys) else ""
    return Finding("ok", "access", f"{count} in {file}{expired}")


def _signing(file: Path) -> Finding:
    from ops_orchestrator.runs.signing import read_signing_key, why_exposed  # noqa: PLC0415  # its library is not needed otherwise

    try:
        read_signing_key(file)
    except ConfigurationError as error:
        return _in_parts("wrong", "signing key", str(error))
    exposed = why_exposed(file)
    if exposed is None:
        return Finding("ok", "signing key", f"{file} signs runs")
    return _in_parts("warning", "signing key", exposed)


def _in_parts(sign: Sign, check: str, sentence: str) -> Finding:
    """A finding of a sentence that says what is wrong, and behind a semicolon what to do."""
    message, _, remedy = sentence.partition("; ")
    return Finding(sign, check, message, remedy)
