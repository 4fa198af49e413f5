"""JSON as the service answers it."""

from typing import Any

from fastapi.responses import JSONResponse
from pydantic_core import to_json

from ops_contract import terminal_safe


class SafeJsonResponse(JSONResponse):
    """JSON that a terminal shows as it is, whatever a module, a caller or a foreign folder brought into it."""

    def render(self, content: Any) -> bytes:
        """The body for plain data."""
        return terminal_safe(to_json(content))
