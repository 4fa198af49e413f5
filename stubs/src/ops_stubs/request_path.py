"""The path of a request below the place where an application is mounted."""

from starlette.types import Scope

__all__ = ["path_below"]


def path_below(scope: Scope) -> str:
    """The decoded path of an HTTP request without the prefix of the mount, from `/` on."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
