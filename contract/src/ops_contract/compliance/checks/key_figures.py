"""The key figures of good answers: whether pages, reports and comparisons can be made from them (OPS-FIG-001)."""

from collections.abc import AsyncGenerator

from ops_contract import has_key_figures, key_figure_problems
from ops_contract.compliance.checks.answers import good_answers
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, broken, met, not_applicable, untested

_EXPECTED = "numbers by key in outputs.kpis, the same keys in units and labels (and in baseline and change), and years in path"
_NO_FIGURES = "no answer has key figures (outputs.kpis)"
_NO_ANSWER = "the module does not answer a valid request"
_MOST_LISTED = 3


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Request each action; a module without key figures is not judged."""
    seen = [answer.seen for answer in await good_answers(module)]
    done = [one for one in seen if one.is_done]
    if not done:
        yield untested("OPS-FIG-001", _NO_ANSWER, seen[0])
        return
    found = [(one, outputs) for one in done if isinstance(outputs := one.fields.get("outputs"), dict)]
    with_figures = [(one, outputs) for one, outputs in found if has_key_figures(outputs)]
    if not with_figures:
        yield not_applicable("OPS-FIG-001", _NO_FIGURES)
        return
    for one, outputs in with_figures:
        if problems := key_figure_problems(outputs):
            texts = [f"/outputs{problem.pointer} {problem.message}" for problem in problems[:_MOST_LISTED]]
            more = len(problems) - _MOST_LISTED
            yield broken("OPS-FIG-001", _EXPECTED, "; ".join([*texts, *([f"and {more} more"] if more > 0 else [])]), one)
            return
    yield met("OPS-FIG-001", with_figures[0][0])
