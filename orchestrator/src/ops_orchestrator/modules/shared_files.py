"""Whether files that an adapter takes from a folder can be there: all replicas and all who execute runs have to share it."""

import socket
from collections import Counter
from contextlib import suppress
from urllib.parse import urlsplit

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.module import Module


def refuse_unshared(catalogue: Catalogue, *, among_processes: bool) -> None:
    """Raise ConfigurationError if an adapter's folder would have to be shared, and nobody says that it is.

    It has to be when runs are executed `among_processes`, perhaps of several machines, and when a module has replicas: when its
    name stands for several addresses now. Blocking.
    """
    for module in catalogue.modules.values():
        adapter = module.adapter
        if adapter is None or not adapter.actions_with_files or adapter.artifacts_shared:
            continue
        why = "with OPS_DATABASE_URL, any worker may execute its steps" if among_processes else _replicas(module)
        if why is not None:
            raise ConfigurationError(
                f"modules.yaml: {module.name} takes artifacts from files below {adapter.artifacts_root}, and {why}: mount one "
                "volume there, on each machine and in each replica, and say so with `artifacts_shared: true` in its adapter"
            )


def _replicas(module: Module) -> str | None:
    """That a module has replicas, in words; None as far as nobody knows of any."""
    with suppress(OSError, UnicodeError):
        found = {
            (family, where[0])
            for family, *_, where in socket.getaddrinfo(urlsplit(module.url).hostname, None, type=socket.SOCK_STREAM)
        }
        if (most := max(Counter(family for family, _ in found).values())) > 1:
            return f"{urlsplit(module.url).hostname} stands for {most} replicas"
    return None
