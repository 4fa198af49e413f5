"""Which steps of a run have synthetic figures, and because of which: what is made up makes all that uses it synthetic."""

from collections.abc import Iterable, Mapping
from typing import Final

from ops_contract import Evidence
from ops_orchestrator.runs.record import Results, RunRecord

_NOT_KNOWN: Final[Mapping[str, frozenset[str]]] = {}


def calls_figures_made_up(evidence: Iterable[Evidence]) -> bool:
    """Does a module call some of its own figures made up (OPS-EVD-003)?"""
    return any(item.synthetic for item in evidence)


def synthetic_sources(
    record: RunRecord, results: Results, uses: Mapping[str, frozenset[str]] = _NOT_KNOWN
) -> dict[str, tuple[str, ...]]:
    """By synthetic step, the steps at or before it whose own evidence calls figures made up; a step that has none is left out.

    A module that follows the contract is given all earlier answers, and may use any of them. `uses` says by step which ones
    the mappings of an adapted module use; where it does not, the record says whether any of them is synthetic.
    """
    sources: dict[str, tuple[str, ...]] = {}
    earlier: list[str] = []
    for step in record.steps:
        if (answered := results.steps.get(step.id)) is None:
            continue
        own = calls_figures_made_up(answered.evidence)
        used = uses.get(step.id, frozenset(earlier if step.adapter is None or (step.synthetic and not own) else ()))
        inherited = {source for other in used for source in sources.get(other, ())}
        if own or inherited or step.synthetic:
            sources[step.id] = (*(one for one in earlier if one in inherited), *((step.id,) if own else ()))
        earlier.append(step.id)
    return sources
