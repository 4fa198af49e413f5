"""The key that a request came with, as the gate has left it for whatever answers the request."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.types import Scope

from ops_orchestrator.service.access.api_key import ApiKey

_KEY: Final = "ops.api_key"


def with_key(scope: Scope, key: ApiKey) -> Scope:
    """The scope of a request that came with `key`."""
    return {**scope, _KEY: key}


def key_of(scope: Mapping[str, Any]) -> ApiKey | None:
    """The key of a request; None when the service asks for none, or not for this request."""
    key: ApiKey | None = scope.get(_KEY)
    return key


def caller_of(scope: Mapping[str, Any]) -> str | None:
    """The name of the key of a request, as it stands in the record of what it starts; None without a key."""
    key = key_of(scope)
    return None if key is None else key.name
