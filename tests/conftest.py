import signal
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["time_limit", "stack_scheduling"]

# Under nohup, services that are started by tests would not stop at a SIGHUP.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A busy machine makes examples, and runs them, slowly.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

SCORES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def tell_score(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Takes a line, or several, shown at the end of the session, whatever came of the tests."""
    return pytestconfig.stash.setdefault(SCORES, []).append


def pytest_sessionfinish(session: pytest.Session) -> None:
    output: dict[str, object] | None = getattr(session.config, "workeroutput", None)  # what xdist hands to the main process
    if output is not None:
        output["scores"] = session.config.stash.get(SCORES, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash.setdefault(SCORES, []).extend(getattr(node, "workeroutput", {}).get("scores", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    scores = config.stash.setdefault(SCORES, [])
    if scores:
        terminalreporter.section("scores")
    for line in sorted(scores):
        terminalreporter.write_line(line, bold=True)
