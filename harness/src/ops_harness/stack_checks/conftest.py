"""The scenarios that the module is tried with: `--ops-scenario FILE`, or one with every module."""

from pathlib import Path
from typing import Any, Final

import pytest

from ops_harness.scenario import Scenario

_EVERY_MODULE: Final[dict[str, Any]] = {
    "scenario_id": "every-module",
    "inputs": {"country": "DR", "time_horizon_years": 5, "policy_parameters": {"vat_rate": 0.20}},
    "run_options": {"seed": 42},
}


@pytest.fixture
def scenario(request: pytest.FixtureRequest, ops_stack: Any) -> Scenario:
    """The scenario of one test."""
    if request.param is None:
        return {**_EVERY_MODULE, "modules": ops_stack.modules}
    return Path(request.param)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each scenario."""
    if "scenario" in metafunc.fixturenames:
        given = metafunc.config.getoption("ops_scenario") or [None]
        metafunc.parametrize("scenario", given, indirect=True, ids=[name or "every-module" for name in given])
