"""The compliance kit in pytest: `pytest --ops-module URL` has one test for each requirement of the contract.

It is a separate package, because pytest imports it in every session in which the contract is installed. It loads the contract
and the kit only when a module is given.
"""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, which have no effect without --ops-module."""
    group = parser.getgroup("ops", "OpenPolicyStack modules")
    group.addoption("--ops-module", metavar="URL", help="base URL of a module, to be checked against the contract")
    group.addoption("--ops-inputs", metavar="FILE", help="good inputs: a JSON object, or one by action name")
    group.addoption("--ops-upstream", metavar="FILE", help="earlier steps that it needs: an object by step id, or a request")
    group.addoption("--ops-select", metavar="ID", action="append", help="only these requirements; * and ? match, OPS-ART-*")
    group.addoption("--ops-timeout", metavar="SECONDS", type=float, help="how long to wait for each answer; default 30")
    group.addoption("--ops-strict", action="store_true", help="count warnings as failures")
    group.addoption("--ops-baseline", metavar="FILE", help="known failures, a line each; a stale entry fails")


def pytest_configure(config: pytest.Config) -> None:
    """Add the requirements to the session when there is a module to check."""
    if config.getoption("ops_module") is None:
        return
    try:
        from pytest_ops_contract.requirements import Requirements  # noqa: PLC0415  # loaded only when it is used
    except ModuleNotFoundError as error:
        raise pytest.UsageError(f"--ops-module needs {error.name}; install openpolicystack-contract[kit]") from None
    config.pluginmanager.register(Requirements(config), "ops-module")
