"""The path of a request: below the place where an application is mounted, and as it was sent."""

from starlette.types import Scope

__all__ = ["path_below", "target_of"]


def path_below(scope: Scope) -> str:
    """The decoded path of an HTTP request without the prefix of the mount, from `/` on."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def target_of(scope: Scope) -> str:
    """Path and query of a request as they were sent."""
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    return raw_path.partition(b"?")[0].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
