from collections.abc import Callable

import pytest

pytest_plugins = ["time_limit"]

SCORES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def tell_score(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Takes a line that is shown at the end of the session, whatever came of the tests."""
    return pytestconfig.stash.setdefault(SCORES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(SCORES, []):
        terminalreporter.write_line(f"SCORE {line}", bold=True)
