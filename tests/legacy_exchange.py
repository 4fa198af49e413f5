"""Exchanges with a module that does not follow the contract."""

import json
from typing import Any

from ops_orchestrator.exchange import Exchange


def legacy_exchange(body: Any, status: int = 200, content_type: str = "application/json", **headers: str) -> Exchange:
    """Its answer: `body` as JSON, or bytes as they are; `headers` with underscores for hyphens."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Exchange(
        method="POST",
        url="http://legacy.test/score",
        request_headers={},
        request=b"",
        status=status,
        headers={"content-type": content_type, **given} if content_type else given,
        response=body if isinstance(body, bytes) else json.dumps(body).encode(),
    )
