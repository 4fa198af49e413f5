"""The pytest plugin of `ops_harness`: options, and the fixtures `ops_stack`, `ops_run`, `ops_stub` and `ops_process`.

A `conftest.py` may override `ops_modules` and `ops_settings`, to start the module under test itself or to set variables of
the orchestrator. This is a package of its own, because pytest imports it in every session: `ops_harness` is imported when it
is used.
"""

from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from ops_harness.replacement import Replacement
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
    group.addoption(
        "--ops-add",
        metavar="NAME=IMAGE|URL",
        action="append",
        default=[],
        help="add this container image, or the service at this base URL, as a module of a new NAME; repeatable",
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
def _ops_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stack's own folder: processes of pytest-xdist have one each."""
    given = pytestconfig.getoption("ops_dir")
    if given is None:
        return tmp_path_factory.mktemp("ops")
    worker: dict[str, str] = getattr(pytestconfig, "workerinput", {})
    return Path(given).absolute() / worker.get("workerid", "")


@pytest.fixture(scope="session")
def ops_process(_ops_folder: Path) -> Iterator[Callable[..., str]]:
    """`ops_process(sys.executable, "module.py")` starts a service and returns its base URL; it ends with the session.

    The service is given a free port, in OPS_PORT and where a word of its command holds `{port}`.
    """
    from ops_harness.errors import HarnessError  # noqa: PLC0415  # see above
    from ops_harness.process import module_process  # noqa: PLC0415

    logs, numbers = _ops_folder / "logs", count(1)
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as started:

        def start(*command: str) -> str:
            try:
                return started.enter_context(module_process(logs / f"process-{next(numbers)}.log", *command))
            except HarnessError as error:
                pytest.fail(str(error), pytrace=False)

        yield start


@pytest.fixture(scope="session")
def ops_stack(
    pytestconfig: pytest.Config,
    _ops_folder: Path,
    ops_modules: Mapping[str, str],
    ops_settings: Mapping[str, str],
) -> Iterator[Stack]:
    """The stack, started once in a session, or once in each process of pytest-xdist."""
    from ops_harness.errors import HarnessError  # noqa: PLC0415  # see above

    if pytestconfig.getoption("ops_containers"):
        from ops_harness.containers import stack_of_containers as make_stack  # noqa: PLC0415
    else:
        from ops_harness.processes import stack_of_processes as make_stack  # noqa: PLC0415
    given = pytestconfig.getoption("ops_modules_file")
    file = Path(given) if given else None
    with ExitStack() as started:
        try:
            replacements = _replacements(pytestconfig, ops_modules, file)
            stack = started.enter_context(make_stack(_ops_folder, replacements, ops_settings, file))
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


def _replacements(config: pytest.Config, modules: Mapping[str, str], file: Path | None) -> list[Replacement]:
    """The modules that `ops_modules` and the options put into the stack; options come before the fixture."""
    from ops_harness.modules_file import expect_addresses_from_variables, stub_names  # noqa: PLC0415  # see above
    from ops_harness.replacement import Replacement, read_replacements  # noqa: PLC0415

    by_name = {name: Replacement(name, target) for name, target in modules.items()}
    known = {*stub_names(), *by_name} if file is None else None
    for one in read_replacements(config.getoption("ops_with"), config.getoption("ops_add"), known):
        by_name[one.module] = one
    if file is not None:
        expect_addresses_from_variables(file, by_name)
    return list(by_name.values())
