import os
from collections.abc import Generator, Iterator
from itertools import count
from pathlib import Path

import pytest
from compose_stack import PROJECT_PREFIX, MakeStack, Stack, sweep
from container_engine import build, docker, engine_answers, own_by_some_user
from local_service import ROOT

from ops_contract.compliance.starter import start_module

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    for stack in getattr(item, "funcargs", {}).values():
        if report.failed and isinstance(stack, Stack):
            report.sections.append(("containers", f"logs are in {stack.save_logs()}"))
    return report


@pytest.fixture(scope="session", autouse=True)
def _swept_engine() -> None:
    """An engine in which nothing is left of sessions that were killed."""
    if not engine_answers():
        assert os.environ.get("CI") != "true", "no Docker engine answers, and CI must not skip the container tests"
        pytest.skip("no Docker engine answers")
    sweep()


@pytest.fixture(scope="session")
def make_stack(tmp_path_factory: pytest.TempPathFactory) -> MakeStack:
    """Makes a stack, a project of its own, which a `with` block starts and removes."""
    numbers = count()

    def make(*override_files: str, build: bool = False, services: list[str] | None = None, **environment: str) -> Stack:
        project = f"{PROJECT_PREFIX}{os.getpid()}-{next(numbers)}"
        runs = own_by_some_user(tmp_path_factory.mktemp("runs"))
        variables = {"COMPOSE_PROJECT_NAME": project, "OPS_PUBLISH": "127.0.0.1:0", "OPS_READY_TIMEOUT_S": "5"}
        variables |= {"OPS_RUNS_DIR": str(runs), **environment}
        env_file = tmp_path_factory.mktemp("environment") / ".env"
        env_file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
        files = [str(ROOT / name) for name in ("compose.yaml", *override_files)]
        return Stack(ROOT, files, build=build, env_file=str(env_file), services=services, project=project, runs=runs)

    return make


@pytest.fixture(scope="session")
def stack(make_stack: MakeStack) -> Iterator[Stack]:
    """The stack as it ships, built from this tree."""
    with make_stack(build=True) as stack:
        yield stack


@pytest.fixture(scope="session")
def team_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image of a policy simulator that a team has just started."""
    folder = tmp_path_factory.mktemp("team") / "policy-simulator"
    start_module(folder, "python", None)
    tag = f"{PROJECT_PREFIX}{os.getpid()}-team:latest"
    yield build(tag, folder)
    docker("rmi", "--force", tag)


@pytest.fixture(scope="session")
def example() -> bytes:
    return (ROOT / "examples" / "plan_and_execute.request.json").read_bytes()
