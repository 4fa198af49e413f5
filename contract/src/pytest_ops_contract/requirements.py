"""The requirements of the contract as tests of a pytest session in which a module is given."""

from collections.abc import Generator
from pathlib import Path

import pytest

from ops_contract import masked_url
from ops_contract.compliance.arguments import UsageError, checked_url, read_inputs, read_text, read_upstream, selected
from ops_contract.compliance.reports.baseline import BaselineError, read_baseline
from ops_contract.compliance.requirement import Requirement, load_requirements
from pytest_ops_contract.item import FOLDER, RequirementItem, markers_of
from pytest_ops_contract.module_check import ModuleCheck


class Requirements:
    """Hooks of a session in which a module is checked. Raises pytest.UsageError for options that make no sense."""

    def __init__(self, config: pytest.Config) -> None:
        if config.getoption("dist", default="no") != "no":
            raise pytest.UsageError("--ops-module checks one module once; run it in one process: add -n 0")
        try:
            self._requirements = _chosen(config)
            self._check = _check(config)
        except (UsageError, BaselineError) as error:
            raise pytest.UsageError(str(error)) from None
        for requirement in self._requirements:
            identifier, *_ = markers_of(requirement)
            config.addinivalue_line("markers", f"{identifier}: {requirement.statement}")
        for name in sorted({name for requirement in self._requirements for name in markers_of(requirement)[1:]}):
            config.addinivalue_line("markers", f"{name}: requirements of the OpenPolicyStack contract")

    def pytest_report_header(self) -> str:
        """Show which module is checked."""
        return f"{FOLDER}: {masked_url(self._check.url)}"

    # First, so that -k and -m choose among the requirements too.
    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Add one item for each requirement to the other tests."""
        made: list[pytest.Item | pytest.Collector] = [self._item(requirement, session) for requirement in self._requirements]
        # Plugins that count collected tests count them too.
        session.ihook.pytest_collectreport(report=pytest.CollectReport(FOLDER, "passed", None, made))
        items += [item for item in made if isinstance(item, pytest.Item)]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep the ids of the requirements that are still selected."""
        self._check.chosen = {item.requirement.id for item in session.items if isinstance(item, RequirementItem)}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Report a skipped requirement without a place in the kit's code."""
        report = yield
        if isinstance(item, RequirementItem) and report.skipped and isinstance(report.longrepr, tuple):
            report.longrepr = (FOLDER, 1, report.longrepr[2].removeprefix("Skipped: "))
        return report

    def _item(self, requirement: Requirement, session: pytest.Session) -> RequirementItem:
        place = {"name": requirement.id, "nodeid": f"{FOLDER}::{requirement.id}"}
        return RequirementItem.from_parent(session, requirement=requirement, made=self._check, **place)


def _chosen(config: pytest.Config) -> list[Requirement]:
    wanted = selected(config.getoption("ops_select"))
    return [requirement for requirement in load_requirements().values() if requirement.id in wanted]


def _check(config: pytest.Config) -> ModuleCheck:
    inputs, baseline, upstream = (config.getoption(name) for name in ("ops_inputs", "ops_baseline", "ops_upstream"))
    return ModuleCheck(
        checked_url(config.getoption("ops_module")),
        read_inputs(Path(inputs) if inputs else None),
        read_baseline(read_text(Path(baseline)), baseline) if baseline else None,
        strict=config.getoption("ops_strict"),
        upstream=read_upstream(Path(upstream) if upstream else None),
        timeout_s=config.getoption("ops_timeout"),
    )
