import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from compose_stack import PROJECT_PREFIX, ROOT, Stack, engine_answers, sweep

HERE = Path(__file__).parent
# Nobody's account on the host: the files must be this user's all the same.
SOME_UID = 4242

SKIPPED = pytest.StashKey[int]()

StartStack = Callable[..., Stack]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if item.path.is_relative_to(HERE)]
    for item in ours:
        item.add_marker(pytest.mark.e2e)
        item.add_marker(pytest.mark.timeout(600))
    if not ours or "not e2e" in config.option.markexpr or engine_answers():
        return
    if os.environ.get("CI") == "true":
        pytest.exit("no Docker engine answers, and CI must not skip the container tests", returncode=1)
    # One line says it for all of them; pytest would print one for each.
    items[:] = [item for item in items if item not in ours]
    config.stash[SKIPPED] = len(ours)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if skipped := config.stash.get(SKIPPED, 0):
        terminalreporter.write_line(f"SKIPPED {skipped} container tests: no Docker engine answers", yellow=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        report.sections.append(("containers", f"logs are in {stack.save_logs()}"))
    return report


@pytest.fixture(scope="session", autouse=True)
def _swept() -> None:
    """Nothing is there that an earlier session left."""
    sweep()


@pytest.fixture(scope="session")
def start_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartStack]:
    """Start a stack of its own project; all are stopped at the end."""
    started: list[Stack] = []

    def start(*override_files: str, build: bool = False, **environment: str) -> Stack:
        runs = tmp_path_factory.mktemp("runs")
        if os.getuid() == 0:
            os.chown(runs, SOME_UID, SOME_UID)
        stack = Stack(
            context=ROOT,
            compose_file_name=["compose.yaml", *override_files],
            build=build,
            project=f"{PROJECT_PREFIX}{os.getpid()}-{len(started)}",
            environment={"OPS_PUBLISH": "127.0.0.1:0", "OPS_READY_TIMEOUT_S": "2", **environment},
            runs=runs,
        )
        started.append(stack)
        stack.start()
        return stack

    yield start
    for stack in started:
        stack.stop()


@pytest.fixture(scope="session")
def stack(start_stack: StartStack) -> Stack:
    """The stack as it ships, built from this tree."""
    return start_stack(build=True)


@pytest.fixture(scope="session")
def example() -> bytes:
    return (ROOT / "examples" / "plan_and_execute.request.json").read_bytes()
