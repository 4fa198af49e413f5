"""The profile `cluster`, which the tests of this folder share, and leave as it was."""

from collections.abc import Iterator
from typing import Final

import pytest
from compose_stack import MakeStack, Stack

# What the page says; the rest is started since they need it.
SERVICES: Final = ["balancer", "worker"]


@pytest.fixture(scope="session")
def cluster(make_stack: MakeStack) -> Iterator[Stack]:
    # Who is gone is missed sooner than by default.
    profile = {
        "COMPOSE_PROFILES": "cluster",
        "OPS_CLUSTER_PUBLISH": "127.0.0.1:0",
        "OPS_HEARTBEAT_S": "0.5",
        "OPS_STALLED_S": "3",
    }
    with make_stack(build=True, services=SERVICES, **profile) as stack:
        yield stack
