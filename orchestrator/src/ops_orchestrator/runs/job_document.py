"""job.json of a step: how a module that accepted a job was asked for it, and its first answer."""

from typing import Any, Final

from ops_contract import sha256_hex
from ops_orchestrator.exchange import Exchange, Job
from ops_orchestrator.modules.adapters.body import decoded

_MOST_BYTES: Final = 64 * 1024


def job_document(job: Job) -> dict[str, Any]:
    """The job as JSON. Bodies of its answers are left out where they are long, and where they are neither JSON nor text."""
    asks = [{name: value for name, value in vars(ask).items() if value is not None} for ask in job.last_asks]
    return {
        "submitted": _answer(job.submitted),
        "method": job.method,
        "url": job.url,
        "asks": job.asks,
        "is_done": job.is_done,
        **({"done": _answer(job.done)} if job.done else {}),
        "last_asks": asks,
    }


def _answer(exchange: Exchange) -> dict[str, Any]:
    content = exchange.response
    kept = {"body": decoded(exchange)} if len(content) <= _MOST_BYTES else {}
    return {
        "status": exchange.status,
        "headers": {name: value.encode(errors="replace").decode() for name, value in exchange.headers.items()},
        "size_bytes": len(content),
        "sha256": sha256_hex(content),
        **kept,
    }
