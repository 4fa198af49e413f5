"""strategy-agent: what to do, ranked, with the figures of the earlier steps as reasons.

inputs    none of its own; it reads `upstream`: the last policy-simulator step, and supplychain-risk and dr-anticorruption
          where there are any
outputs   brief (the artifact's name), recommendation, options (best first), reasons (for the order), cited (every figure
          used), lacks
artifacts brief.md (in the answer)

Without a policy simulation it succeeds, ranks nothing, and warns about what it lacks.
"""

from typing import Any, Final

from ops_contract import Evidence, ExecuteRequest, join_pointer
from ops_stubs.figures import KPIS, formatted
from ops_stubs.module import File, Result, Stub
from ops_stubs.strategy_brief import BRIEF, page, recommendation
from ops_stubs.strategy_findings import Findings, findings
from ops_stubs.strategy_options import options
from ops_stubs.strategy_why import thresholds, why

__all__ = ["STUB", "execute"]


def execute(request: ExecuteRequest) -> Result:
    """Rank the options that the earlier steps allow to compare, and write the brief."""
    found = findings(request)
    ranking = options(found)
    outputs = {
        "brief": BRIEF,
        "recommendation": recommendation(found, ranking),
        "options": [option.ranked(rank) for rank, option in enumerate(ranking, start=1)],
        "reasons": [*why(ranking), *thresholds(found)],
        "cited": _cited(found),
        "lacks": list(found.lacks()),
    }
    brief = File(BRIEF, "text/markdown", page(found, ranking).encode())
    return Result(outputs, artifacts=(brief,), evidence=_evidence(found), warnings=found.warnings())


def _cited(found: Findings) -> dict[str, Any]:
    return {
        name: {"label": kpi.label, "value": found.kpis[name], "shown": formatted(name, found.kpis[name]), "step": found.step}
        for name, kpi in KPIS.items()
        if name in found.kpis
    }


def _evidence(found: Findings) -> tuple[Evidence, ...]:
    rules = Evidence(
        id="rules",
        kind="computation",
        title="Synthetic rules of thumb of the stub, by which options are ranked",
        supports=("/recommendation",),
        artifact=BRIEF,
        synthetic=True,
    )
    cited = (
        Evidence(
            id=f"kpi-{name}",
            kind="computation",
            title=f"{entry['label']} {entry['shown']}, from the step {found.step}; treat as synthetic",
            uri=f"upstream:{join_pointer(f'/{found.step}/kpis', name)}",
            supports=(f"/cited/{name}",),
            synthetic=True,
        )
        for name, entry in _cited(found).items()
    )
    scores = (
        Evidence(
            id=f"score-{score.step}",
            kind="computation",
            title=f"Overall risk {score.overall:.1f} of 100, from the step {score.step}; treat as synthetic",
            uri=f"upstream:/{score.step}/overall",
            artifact=BRIEF,
            synthetic=True,
        )
        for score in (found.supply, found.integrity)
        if score is not None
    )
    return (rules, *cited, *scores)


STUB: Final = Stub(
    name="strategy-agent",
    summary="What to do, ranked, with the figures of the earlier steps as reasons",
    actions={"execute": execute},
)
"""The stand-in for the strategy agent."""
