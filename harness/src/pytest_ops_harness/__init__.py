"""The pytest plugin of `ops_harness`: options, and the fixtures `ops_stack`, `ops_run` and `ops_stub`.

A `conftest.py` may override `ops_modules` and `ops_settings`, to start the module under test itself or to set variables of
the orchestrator. This is a package of its own, because pytest imports it in every session: `ops_harness` is imported when it
is used.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from ops_harness.stack import Stack
    from ops_harness.stub import Stub
    from ops_orchestrator import Run

_LOG_SIZES = pytest.StashKey["Mapping[Path, int]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the stack."""
    group = parser.getgroup("ops-harness", "OpenPolicyStack around your module")
    group.addoption(
        "--ops-with",
        metavar="NAME=IMAGE|URL",
        action="append",
        default=[],
        help="use this container image, or the service at this base URL, in the place of the stub NAME; repeatable",
    )
    group.addoption("--ops-containers", action="store_true", help="start the stack as containers instead of processes")
    group.addoption("--ops-modules-file", metavar="FILE", help="a modules.yaml, in the place of one that registers the stubs")
    group.addoption(
        "--ops-scenario",
        metavar="FILE",
        action="append",
        default=[],
        help="a scenario for --pyargs ops_harness.stack_checks, in the place of one with every module; repeatable",
    )
    group.addoption("--ops-dir", metavar="DIR", help="keep runs and logs below this folder instead of pytest's temporary one")


@pytest.fixture(scope="session")
def ops_modules() -> Mapping[str, str]:
    """Modules that take the places of stubs: a base URL or an image by name. To be defined anew in a conftest.py."""
    return {}


@pytest.fixture(scope="session")
def ops_settings() -> Mapping[str, str]:
    """Settings of the orchestrator, such as {"OPS_MAX_CONCURRENT_RUNS": "2"}. To be defined anew in a conftest.py."""
    return {}


@pytest.fixture(scope="session")
def ops_stack(
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
    ops_modules: Mapping[str, str],
    ops_settings: Mapping[str, str],
) -> Iterator[Stack]:
    """The stack, started once in a session, or once in each process of pytest-xdist."""
    from ops_harness.errors import HarnessError  # noqa: PLC0415  # see above
    from ops_harness.replacement import Replacement, read_replacement  # noqa: PLC0415

    if pytestconfig.getoption("ops_containers"):
        from ops_harness.containers import stack_of_containers as make_stack  # noqa: PLC0415
    else:
        from ops_harness.processes import stack_of_processes as make_stack  # noqa: PLC0415
    replacements = {name: Replacement(name, target) for name, target in ops_modules.items()}
    file = pytestconfig.getoption("ops_modules_file")
    with ExitStack() as started:
        try:
            for text in pytestconfig.getoption("ops_with"):
                replacement = read_replacement(text)
                replacements[replacement.module] = replacement
            folder = _folder(pytestconfig, tmp_path_factory)
            made = make_stack(folder, tuple(replacements.values()), ops_settings, Path(file) if file else None)
            stack = started.enter_context(made)
        except HarnessError as error:
            pytest.fail(str(error), pytrace=False)
        yield stack


@pytest.fixture
def ops_run(ops_stack: Stack) -> Callable[..., Run]:
    """`ops_run(scenario, seed=..., status="completed")` runs an object or a JSON file and returns the run; see Stack.run."""
    return ops_stack.run


@pytest.fixture
def ops_stub(ops_stack: Stack) -> Iterator[Callable[..., Stub]]:
    """`ops_stub("monitor", faults=["status:code=503,first=1"])` stages failures for the time of the test.

    The stub that it returns has `requests`, those of this test alone.
    """
    used: dict[str, Stub] = {}

    def stub(name: str, *, faults: Iterable[str | dict[str, Any]] = (), violate: Iterable[str] = ()) -> Stub:
        if name not in used:
            used[name] = ops_stack.stub(name)
            used[name].reset()
        used[name].stage(faults, violate)
        return used[name]

    yield stub
    for each in used.values():
        each.reset()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show, below a failed test, what the stack logged during it and where the rest is."""
    report = yield
    if (stack := _stack_of(item)) is None:
        return report
    if report.when == "setup":
        item.stash[_LOG_SIZES] = stack.log_sizes()
    elif report.failed:
        logged = stack.logged_since(item.stash[_LOG_SIZES])
        report.sections.append(("ops_stack", f"runs are in {stack.runs}, logs in {stack.logs}\n{logged}"))
    return report


def _stack_of(item: pytest.Item) -> Stack | None:
    stack: Stack | None = getattr(item, "funcargs", {}).get("ops_stack")
    return stack


def _folder(config: pytest.Config, factory: pytest.TempPathFactory) -> Path:
    """The stack's own folder: processes of pytest-xdist have one each."""
    given = config.getoption("ops_dir")
    if given is None:
        return factory.mktemp("ops")
    worker: dict[str, str] = getattr(config, "workerinput", {})
    folder = Path(given).absolute() / worker.get("workerid", "")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
