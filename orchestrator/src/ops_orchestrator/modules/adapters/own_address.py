"""Addresses that a module gives in its answers: used below its own address only."""

import re
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from ops_contract import masked_url
from ops_orchestrator.modules.adapters.evaluation import Evaluation

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PORTS: Final = {"http": 80, "https": 443}
# A server may read them as dots or slashes.
_HIDDEN: Final = re.compile(r"%(2e|2f|5c)|\\|[\x00-\x1f\x7f]", re.IGNORECASE)
_LONGEST: Final = 2048


def target_of(address: str, evaluation: Evaluation, where: str) -> str:
    """The path, with its query, at which `address` is found below the address of the module.

    An address is whole, or a path; a path begins with that of the module's own address, or is meant below it.
    Raises StepError, naming the expression `where` that yields it, for an address elsewhere.
    """
    base = urlsplit(evaluation.url)
    try:
        given = urlsplit(address.strip())
        at = _origin(given) if _SCHEME.match(address.strip()) or given.netloc else None
    except ValueError:
        raise _refused(address, evaluation, where, "is not an address") from None
    root = base.path.rstrip("/")
    inside = given.path.startswith(f"{root}/")
    if at is not None and (at != _origin(base) or not inside or "@" in given.netloc):
        raise _elsewhere(address, given, evaluation, where)
    path = given.path.removeprefix(root) if inside else f"/{given.path.removeprefix('/')}"
    if path == "/" or len(address) > _LONGEST:
        raise _refused(address, evaluation, where, "does not lead to anything" if path == "/" else "is too long")
    if _HIDDEN.search(path) or {".", ".."} & set(unquote(path).split("/")) or path.startswith("//"):
        raise _refused(address, evaluation, where, "may lead elsewhere, by its dots, slashes or backslashes")
    return f"{path}?{given.query}" if given.query else path


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme)


def _elsewhere(address: str, given: SplitResult, evaluation: Evaluation, where: str) -> Exception:
    beginning = f"{given.scheme}://{given.netloc.rpartition('@')[2]}"
    remedy = (
        "if it is the same service under another name, have the expression yield the path alone, as "
        f'$substringAfter(ADDRESS, "{beginning}") does'
    )
    own = masked_url(evaluation.url)
    return _refused(
        address, evaluation, where, f"is not below the module's own address {own}, and nothing else is called; {remedy}"
    )


def _refused(address: str, evaluation: Evaluation, where: str, reason: str) -> Exception:
    shown = masked_url(address) if len(address) <= _LONGEST else f"{address[:100]}..."
    return evaluation.failure(where, f"yields {shown!r}, which {reason}")
