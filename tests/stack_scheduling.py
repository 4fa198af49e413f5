"""The order of tests, and which process of pytest-xdist runs them.

All tests that share a Compose stack are run by one process, so that it is started once. What may take longest begins first:
started last, it would have the other processes wait.
"""

from typing import Final

import pytest
from time_limit import LIMIT_S, limit_of
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.scheduler.protocol import Scheduling

FOLDERS: Final = ("tests/e2e/stack/", "tests/e2e/cluster/")


class StackScheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """As `--dist loadfile`, with the files of each of FOLDERS as if they were one file."""

    def _split_scope(self, nodeid: str) -> str:
        return next(filter(nodeid.startswith, FOLDERS), None) or super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    return StackScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: limit_of(item) <= LIMIT_S)
