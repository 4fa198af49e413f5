"""From a scenario to a plan: pure, no network, no files."""

from collections.abc import Iterable

from ops_contract import Problem, join_pointer, suggestion
from ops_orchestrator.errors import InvalidRequestError, UnknownActionError, UnknownModuleError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.module import Module
from ops_orchestrator.planning.bindings import with_bindings
from ops_orchestrator.planning.scenario import Scenario, StepRequest
from ops_orchestrator.planning.steps import Plan, Step


def plan(scenario: Scenario, catalogue: Catalogue) -> Plan:
    """The steps of `scenario`, each using the answers of earlier ones only.

    Raises UnknownModuleError, UnknownActionError, InvalidRequestError.
    """
    steps = tuple(with_bindings(steps_of(scenario, catalogue), scenario.modules))
    _refuse_missing_upstream(steps)
    _refuse_unused_pins(scenario)
    _refuse_dropped_artifacts(scenario, steps)
    return Plan(steps)


def steps_of(scenario: Scenario, catalogue: Catalogue) -> tuple[Step, ...]:
    """One step per entry of `modules`, in their order, without the steps that meet its needs.

    Raises UnknownModuleError, UnknownActionError, InvalidRequestError.
    """
    _refuse_unknown_modules(scenario, catalogue)
    _refuse_repeated_ids(scenario)
    modules = [catalogue.modules[entry.module] for entry in scenario.modules]
    actions = _actions(scenario.modules, modules)
    return tuple(
        Step(number, entry.step_id, module.for_action(action), action, entry.inputs)
        for number, (entry, module, action) in enumerate(zip(scenario.modules, modules, actions, strict=True), start=1)
    )


def _refuse_unknown_modules(scenario: Scenario, catalogue: Catalogue) -> None:
    problems = [
        Problem(f"/modules/{index}", f"{entry.module!r} is not registered{_hint(entry.module, catalogue.modules)}")
        for index, entry in enumerate(scenario.modules)
        if entry.module not in catalogue.modules
    ]
    if problems:
        registered = ", ".join(catalogue.modules) or "none"
        raise UnknownModuleError(f"Registered modules: {registered}. Name one of them, or add yours to modules.yaml.", problems)


def _refuse_repeated_ids(scenario: Scenario) -> None:
    seen: set[str] = set()
    for index, entry in enumerate(scenario.modules):
        if entry.step_id.casefold() in seen:
            problem = Problem(f"/modules/{index}", f"there is a step {entry.step_id!r} before")
            example = f'{{"module": "{entry.module}", "id": "{entry.step_id}-{index + 1}"}}'
            raise InvalidRequestError(f"Each step needs an id of its own; write {example}.", [problem])
        seen.add(entry.step_id.casefold())


def _actions(entries: Iterable[StepRequest], modules: Iterable[Module]) -> list[str]:
    actions: list[str] = []
    problems = []
    for index, (entry, module) in enumerate(zip(entries, modules, strict=True)):
        known = f"{module.name} has {', '.join(module.action_names)}"
        action = entry.action or module.default_action
        if action is None:
            problems.append(Problem(f"/modules/{index}", f"names no action; {known}"))
        elif action not in module.action_names:
            text = f"{module.name} has no action {action!r}{_hint(action, module.action_names)}; {known}"
            problems.append(Problem(f"/modules/{index}/action", text))
        actions.append(action or "")
    if problems:
        raise UnknownActionError("Name an action that the module has; modules.yaml declares them under `actions`.", problems)
    return actions


def _refuse_missing_upstream(steps: tuple[Step, ...]) -> None:
    problems = []
    for index, step in enumerate(steps):
        before = [earlier.id for earlier in steps[:index]]
        for needed in sorted(step.module.needed_steps(step.action) - set(before)):
            order = f"before it there is {', '.join(before)}" if before else "nothing is before it"
            text = f"action {step.action!r} of {step.module.name} uses the answer of a step {needed!r}; {order}"
            problems.append(Problem(f"/modules/{index}", text))
    if problems:
        advice = "Put the steps that are used before those that use them; a step's id is its module's name unless given."
        raise InvalidRequestError(advice, problems)


def _refuse_unused_pins(scenario: Scenario) -> None:
    called = {entry.module for entry in scenario.modules}
    problems = [
        Problem(join_pointer("/run_options/pin", name), f"no step calls {name!r}{_hint(name, called)}")
        for name in scenario.run_options.pin
        if name not in called
    ]
    if problems:
        raise InvalidRequestError("Pin modules that the run calls.", problems)


def _refuse_dropped_artifacts(scenario: Scenario, steps: tuple[Step, ...]) -> None:
    """A run that keeps no artifacts cannot send them to later steps."""
    sending = [step for step in steps if step.module.sends_artifacts(step.action)]
    if sending and not scenario.run_options.save_artifacts:
        text = f"is false, but step {sending[0].id!r} sends artifacts of earlier steps to {sending[0].module.name}"
        problem = Problem("/run_options/save_artifacts", text)
        raise InvalidRequestError("Leave save_artifacts out, or take the step out.", [problem])


def _hint(name: str, known: Iterable[str]) -> str:
    hint = suggestion(name, known)
    return f"; {hint}" if hint else ""
