"""The OpenPolicyStack orchestrator: calls modules in sequence and leaves reproducible run folders.

Notebooks and scripts read stored runs with `open_run`, `compare`, `diff` and `verify`.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ops_orchestrator.notebook import Artifact, Run, compare, diff, open_run, verify

__all__ = ["Artifact", "Run", "__version__", "compare", "diff", "open_run", "verify"]

__version__ = version("openpolicystack-orchestrator")


def __getattr__(name: str) -> Any:
    # The service and most commands need none of it.
    if name in __all__:
        return getattr(import_module("ops_orchestrator.notebook"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
