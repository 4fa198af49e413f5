"""What the figures of a run rest on: how many of each step's some evidence supports, which items, and what is made up."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Self

from ops_contract import Evidence, JsonError, Problem, ShapeError
from ops_orchestrator.errors import ChangedModuleError, InvalidRequestError, NotFoundError
from ops_orchestrator.modules.frozen_modules import recorded_modules
from ops_orchestrator.runs.events import Status
from ops_orchestrator.runs.record import Results, RunRecord, StepResults
from ops_orchestrator.runs.supports import Leaf, leaves
from ops_orchestrator.runs.synthetic import calls_figures_made_up, synthetic_sources

MOST_LISTED: Final = 1_000
"""So many values of a step are listed; the rest is counted."""

_WITH_UNITS: Final = ("kpis", "baseline", "change")


@dataclass(frozen=True)
class EvidenceFilter:
    """Which values are listed: those of one step, at or below a pointer, or without evidence. All figures unless given."""

    step: str | None = None
    pointer: str = ""
    unsupported: bool = False


EVERY_FIGURE: Final = EvidenceFilter()
"""Lists all figures."""


@dataclass(frozen=True)
class SupportedValue:
    """A value in outputs and the pieces of evidence that support it, at most 100.

    `synthetic` says that one of them is, or that an earlier step is that its module may use; None when nothing says either.
    """

    pointer: str
    value: Any
    label: str
    unit: str
    synthetic: bool | None
    evidence: tuple[Evidence, ...]

    def as_json(self) -> dict[str, Any]:
        """The value, with the ids of what it rests on."""
        return {**vars(self), "evidence": [item.id for item in self.evidence]}


@dataclass(frozen=True)
class StepEvidence:
    """What a step's figures rest on: `supported` of its `figures` have evidence.

    `synthetic_because` names the steps whose modules call figures made up that this step's may rest on, itself included.
    `values` are the listed ones, those with evidence first, and `more` says how many are left out.
    """

    step: str
    module: str
    figures: int
    supported: int
    synthetic: bool
    synthetic_because: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    values: tuple[SupportedValue, ...]
    more: int

    @property
    def coverage(self) -> str:
        """How many figures rest on evidence, for people."""
        if not self.figures:
            return "has no figures"
        return f"{self.supported:,} of {self.figures:,} figures rest{'s' if self.figures == 1 else ''} on evidence"

    @property
    def synthetic_text(self) -> str:
        """Whether the step is synthetic and because of which others, for people; empty when it is not."""
        return synthetic_text(self.step, self.synthetic_because) if self.synthetic else ""

    def as_json(self) -> dict[str, Any]:
        """The step as JSON."""
        evidence = [item.model_dump(mode="json", exclude_none=True) for item in self.evidence]
        return {**vars(self), "evidence": evidence, "values": [value.as_json() for value in self.values]}


@dataclass(frozen=True)
class RunEvidence:
    """What the figures of a run rest on, by completed step."""

    run_id: str
    status: Status
    steps: tuple[StepEvidence, ...]

    @classmethod
    def of(
        cls, record: RunRecord, results: Results, modules: Callable[[], bytes], where: EvidenceFilter = EVERY_FIGURE
    ) -> Self:
        """The evidence of the run `record`, whose modules.json `modules` reads when it is needed.

        Raises NotFoundError for a step that is not there or has not answered, InvalidRequestError for a pointer into nothing.
        """
        chosen = _chosen(record, results, where)
        sources = synthetic_sources(record, results, uses_of(record, results, modules))
        steps = (_step(step, results.steps[step], sources.get(step), where) for step in chosen)
        return cls(record.run_id, record.status, tuple(steps))

    def as_json(self) -> dict[str, Any]:
        """The evidence as JSON."""
        return {**vars(self), "steps": [step.as_json() for step in self.steps]}


def synthetic_text(step: str, sources: Iterable[str]) -> str:
    """That a step is synthetic, and for one that is not so by itself, because of which others."""
    names = tuple(sources)
    if not names or step in names:
        return "synthetic"
    return f"synthetic, because {' and '.join(names)} {'is' if len(names) == 1 else 'are'}"


def uses_of(record: RunRecord, results: Results, modules: Callable[[], bytes]) -> dict[str, frozenset[str]]:
    """By step of an adapted module, the earlier steps that its mappings use.

    modules.json is read only when such a step is synthetic; where it cannot be read, nothing is known.
    """
    adapted = [step for step in record.steps if step.adapter and step.synthetic and step.id in results.steps]
    if not adapted:
        return {}
    with suppress(JsonError, ShapeError, ChangedModuleError, NotFoundError):
        known = recorded_modules(modules()).modules
        return {
            step.id: module.may_use(step.action, [other.id for other in record.steps[: step.step - 1]], record.bound_by(step))
            for step in adapted
            if (module := known.get(step.module)) and step.action in module.action_names
        }
    return {}


def _chosen(record: RunRecord, results: Results, where: EvidenceFilter) -> list[str]:
    if where.step is None:
        steps = list(results.steps)
    elif where.step in results.steps:
        steps = [where.step]
    elif any(step.id == where.step for step in record.steps):
        raise NotFoundError(f"The step {where.step} of {record.run_id} did not complete, so that it has no figures.")
    else:
        there_are = ", ".join(step.id for step in record.steps)
        raise NotFoundError(f"{record.run_id} has no step {where.step!r:.200}; its steps are {there_are}.")
    having = [step for step in steps if _has(results.steps[step], where.pointer)]
    if where.pointer and not having:
        message = (
            f"must lead to a value in the outputs of {', '.join(steps) or 'a step'}, such as /kpis, not {where.pointer!r:.200}"
        )
        raise InvalidRequestError("A parameter cannot be used.", [Problem("pointer", message)])
    return having


def _has(answered: StepResults, pointer: str) -> bool:
    try:
        next(leaves(answered.outputs, pointer=pointer))
    except LookupError:
        return False
    return True


def _step(step: str, answered: StepResults, sources: tuple[str, ...] | None, where: EvidenceFilter) -> StepEvidence:
    figures = supported = 0
    for leaf in leaves(answered.outputs, answered.evidence):
        figures += leaf.is_figure
        supported += leaf.is_figure and leaf.is_supported
    inherited = sources is not None and any(source != step for source in sources)
    listed, more = _listed(answered, where)
    return StepEvidence(
        step=step,
        module=answered.module,
        figures=figures,
        supported=supported,
        synthetic=sources is not None,
        synthetic_because=sources or (),
        evidence=answered.evidence,
        values=tuple(_value(leaf, answered.outputs, inherited=inherited) for leaf in listed),
        more=more,
    )


def _listed(answered: StepResults, where: EvidenceFilter) -> tuple[list[Leaf], int]:
    """The leaves to list, and how many more there are. With a pointer, what is not a number counts as well."""

    def wanted(*, supported: bool) -> Iterator[Leaf]:
        found = leaves(answered.outputs, answered.evidence, where.pointer)
        return (leaf for leaf in found if leaf.is_supported is supported and (leaf.is_figure or where.pointer))

    listed: list[Leaf] = []
    more = 0
    for supported in (False,) if where.unsupported else (True, False):
        found = wanted(supported=supported)
        listed += islice(found, MOST_LISTED - len(listed))
        more += sum(1 for _ in found)
    return listed, more


def _value(leaf: Leaf, outputs: Mapping[str, Any], *, inherited: bool) -> SupportedValue:
    label, unit = _words(leaf.tokens, outputs)
    evidence = leaf.evidence
    synthetic = inherited or calls_figures_made_up(evidence) or (False if evidence else None)
    return SupportedValue(leaf.pointer, leaf.value, label, unit, synthetic=synthetic, evidence=evidence)


def _words(tokens: list[str | int], outputs: Mapping[str, Any]) -> tuple[str, str]:
    """Label and unit of a key figure, of its baseline and its change; empty for any other value."""
    if len(tokens) != 2 or tokens[0] not in _WITH_UNITS:
        return "", ""
    label, unit = ((of.get(tokens[1]) if isinstance(of := outputs.get(name), Mapping) else "") for name in ("labels", "units"))
    return label if isinstance(label, str) else "", unit if isinstance(unit, str) else ""
