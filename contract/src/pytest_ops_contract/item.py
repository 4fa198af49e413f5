"""One requirement as a test of pytest."""

import os
import warnings
from pathlib import Path
from typing import Any, Final

import pytest

from ops_contract.compliance.redaction import harmless_lines
from ops_contract.compliance.reports.plain_text import message_of, plain_text
from ops_contract.compliance.requirement import Requirement
from ops_contract.compliance.result import Finding, Verdict, is_breach
from pytest_ops_contract.module_check import ModuleCheck

FOLDER: Final = "ops-module"
"""The first part of each node id, where other tests have their file."""


class RequirementWarning(pytest.PytestWarning):
    """A SHOULD that the module does not meet."""


class RequirementItem(pytest.Item):
    """Passes when the module meets the requirement, and fails with the exchanges that show otherwise."""

    def __init__(self, *, requirement: Requirement, made: ModuleCheck, **place: Any) -> None:
        super().__init__(**place)
        self.requirement = requirement
        self._check = made
        for name in markers_of(requirement):
            self.add_marker(name)

    def setup(self) -> None:
        """Check the module, once for all items. A failure of the kit is an error, not a failed test."""
        properties = {"id": self.requirement.id, "level": self.requirement.level, "profile": self.requirement.profile}
        self.user_properties += [*properties.items(), ("spec", self.requirement.anchor)]
        finding = self._check.finding(self.requirement.id)
        if finding is None:
            self._give_up()
            return
        self.user_properties.append(("verdict", finding.verdict.value))
        if finding.verdict is Verdict.KIT_ERROR:
            pytest.fail(plain_text(finding), pytrace=False)

    def runtest(self) -> None:
        """Turn the verdict into pytest's."""
        finding = self._check.finding(self.requirement.id)
        assert finding is not None  # noqa: S101  # setup skips or fails without one
        if is_breach(finding, strict=self._check.strict):
            pytest.fail(plain_text(finding), pytrace=False)
        match finding.verdict:
            case Verdict.NOT_APPLICABLE | Verdict.NOT_TESTABLE:
                pytest.skip(message_of(finding))
            case Verdict.EXPECTED_FAIL:
                pytest.xfail(message_of(finding))
            case Verdict.WARN:
                warnings.warn_explicit(_warning(finding), RequirementWarning, FOLDER, lineno=1)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show a warning that `-W error` made an error by its message alone; its place in the kit's code helps nobody."""
        if isinstance(excinfo.value, RequirementWarning):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """The headline of a failure."""
        return Path(FOLDER), None, f"{self.requirement.id} {self.requirement.statement}"

    def _give_up(self) -> None:
        """Without a report, fail the first requirement with the reason, and skip the others."""
        trouble = self._check.trouble or "the kit has no result for this requirement"
        if not self._check.is_trouble_reported:
            self._check.is_trouble_reported = True
            pytest.fail(harmless_lines(trouble), pytrace=False)
        pytest.skip("the module could not be checked; the first of its tests says why")


def markers_of(requirement: Requirement) -> tuple[str, ...]:
    """The markers by which -m selects it: its id, its level, its profile, and one that all requirements have."""
    return (requirement.id, f"ops_{requirement.level.lower()}", f"ops_{requirement.profile}", "ops_requirement")


def _warning(finding: Finding) -> str:
    return f"{finding.requirement.id} {message_of(finding)}\nremedy: {finding.requirement.remedy}"
