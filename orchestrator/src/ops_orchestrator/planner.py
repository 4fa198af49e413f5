"""From a scenario to a plan: pure, no network, no files."""

from difflib import get_close_matches

from ops_contract import Problem
from ops_orchestrator.catalogue import Catalogue
from ops_orchestrator.errors import InvalidRequestError, UnknownModuleError
from ops_orchestrator.plan import Plan, Step
from ops_orchestrator.scenario import Scenario

DEFAULT_ACTION = "execute"


def plan(scenario: Scenario, catalogue: Catalogue) -> Plan:
    """One step per named module, in the order named. Raises UnknownModuleError, InvalidRequestError."""
    _refuse_unknown(scenario, catalogue)
    _refuse_repeated(scenario)
    return Plan(
        tuple(
            Step(number=number, id=name, module=catalogue.modules[name], action=DEFAULT_ACTION)
            for number, name in enumerate(scenario.modules, start=1)
        )
    )


def _refuse_unknown(scenario: Scenario, catalogue: Catalogue) -> None:
    problems = []
    for index, name in enumerate(scenario.modules):
        if name not in catalogue.modules:
            near = get_close_matches(name, catalogue.modules, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            problems.append(Problem(f"/modules/{index}", f"{name!r} is not registered{hint}"))
    if problems:
        registered = ", ".join(catalogue.modules) or "none"
        raise UnknownModuleError(f"Registered modules: {registered}. Name one of them, or add yours to modules.yaml.", problems)


def _refuse_repeated(scenario: Scenario) -> None:
    seen: set[str] = set()
    for index, name in enumerate(scenario.modules):
        if name.casefold() in seen:
            problem = Problem(f"/modules/{index}", f"{name!r} is already in the plan")
            raise InvalidRequestError("A plan has one step per module; name each module once.", [problem])
        seen.add(name.casefold())
