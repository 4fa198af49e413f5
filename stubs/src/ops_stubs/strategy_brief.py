"""The brief of the strategy agent: one page of Markdown that a minister could read."""

from collections.abc import Iterator, Sequence
from typing import Final

from ops_stubs.figures import KPIS, formatted, formatted_change, formatted_points, percent
from ops_stubs.markdown import plain, table
from ops_stubs.strategy_findings import Findings, Score
from ops_stubs.strategy_options import NAMES, Option
from ops_stubs.strategy_scores import CARRYING_OUT, CRITERIA, WEIGHTS
from ops_stubs.strategy_why import changes_law, thresholds, why

__all__ = ["BRIEF", "page", "recommendation"]

BRIEF: Final = "brief.md"
"""The name of the artifact."""

_UNITS: Final = """
Growth and inflation are means of the years, revenue, balance and debt are shares of GDP in the last year, consumption is an
index (base year = 100) in the last year. pp: percentage points.
"""


_SCALE: Final = """
A score is 50, which is "no change", and the points of each criterion. A loss counts in full, and a gain counts the less the
larger it is. Better collection is taken to close a tenth of the deficit for three years. All figures are rounded, and a score
is shown within 0 and 100.
"""


def recommendation(found: Findings, ranking: Sequence[Option]) -> str:
    """The headline in one sentence; without a ranking it says that there is none, and why."""
    if not ranking:
        return f"No recommendation: {found.lacks()[0]}."
    best, second = ranking[0], ranking[1]
    firmness = "by a clear margin" if best.score - second.score >= 5 else "narrowly"
    lead = f"{best.title}. It leads {firmness}: {best.score:.1f} points against {second.score:.1f} for {NAMES[second.id]}."
    return lead + _declined(found, ranking)


def _declined(found: Findings, ranking: Sequence[Option]) -> str:
    """What the change that was asked about scores, where the law in force leads and the runner-up is part of it, too."""
    changing = [option for option in ranking if changes_law(option)]
    if not changing or any(map(changes_law, ranking[:2])):
        return ""
    measure = found.measure or "the modelled change"
    return f" {measure[:1].upper()}{measure[1:]} scores {changing[0].score:.1f} points at best."


def page(found: Findings, ranking: Sequence[Option]) -> str:
    """The whole brief, ending with a newline."""
    where = f", {plain(found.country)}" if found.country else ""
    subject = plain(found.measure) if found.measure else "the law in force" if found.kpis else "options for a decision"
    sections = (
        f"# Brief: {subject}{where}\n",
        "*Synthetic: this brief was written by a stub from made-up data, to show how the parts fit. Decide nothing on it.*\n",
        f"**{plain(recommendation(found, ranking))}**\n",
        f"## The question\n\n{_question(found)}\n",
        f"## What we found\n\n{_found(found)}",
        f"## Options\n\n{_options(ranking)}",
        f"## Why this order\n\n{_why(ranking)}",
        f"## Risks\n\n{_risks(found)}",
        f"## What would change our mind\n\n{_doubts(found, ranking)}",
        f"## Sources\n\n{_sources(found)}",
    )
    return "\n".join(sections)


def _question(found: Findings) -> str:
    country = _in_a_sentence(plain(found.country))
    if found.measure:
        return f"Should {country} change its law: {plain(found.measure)}?"
    if found.kpis:
        return f"The scenario changes no rate. How does {country} stand under the law in force, and what follows from that?"
    return "What to do cannot be said yet: no policy simulation came before this brief."


def _in_a_sentence(country: str) -> str:
    """A country's name as a sentence wants it."""
    if not country:
        return "the country"
    return f"the {country}" if country.endswith("Republic") else country


def _found(found: Findings) -> str:
    if not found.kpis:
        return "Nothing, for want of figures. This brief invents none.\n"
    known = [name for name in KPIS if name in found.kpis]
    if not any(found.change.values()):
        lines = [f"- {KPIS[name].label} {formatted(name, found.kpis[name])}" for name in known]
        return "\n".join(lines or ["- no indicator that this brief knows"]) + f"\n{_UNITS}"
    rows = [
        (
            KPIS[name].label,
            formatted(name, found.baseline[name]) if name in found.baseline else "-",
            formatted(name, found.kpis[name]),
            formatted_change(name, found.change[name]) if name in found.change else "-",
        )
        for name in known
    ]
    leading = [f"{KPIS[name].in_sentence} {formatted(name, found.kpis[name])}" for name in known[:3]]
    sentence = f"In the scenario: {', '.join(leading)}. The table sets it against the law in force.\n"
    return f"{sentence}\n{table(('Indicator', 'Law in force', 'Scenario', 'Change'), rows, numbers_from=1)}{_UNITS}"


def _options(ranking: Sequence[Option]) -> str:
    if not ranking:
        return "None are ranked, because there is nothing to compare.\n"
    return "\n".join(_option(rank, option) for rank, option in enumerate(ranking, start=1))


def _option(rank: int, option: Option) -> str:
    reasons = "".join(f"   - {plain(reason)}\n" for reason in option.reasons)
    return f"{rank}. **{plain(option.title)}** ({option.score:.1f} of 100)\n{reasons}"


def _why(ranking: Sequence[Option]) -> str:
    if not ranking:
        return "There is no order to explain.\n"
    weighed = sum(WEIGHTS[name] for name in ranking[0].points if name in WEIGHTS)
    rows = [
        (
            _capital(CRITERIA[name]),
            "-" if name == CARRYING_OUT else percent(round(WEIGHTS[name] / weighed, 2)),
            *(formatted_points(option.points[name]) for option in ranking),
        )
        for name in ranking[0].points
    ]
    scores = ("Score", "", *(f"{option.score:.1f}" for option in ranking))
    columns = ("Points for", "Weight", *(_capital(NAMES[option.id]) for option in ranking))
    sentences = "".join(f"- {sentence}\n" for sentence in why(ranking))
    return f"{sentences}\n{table(columns, (*rows, scores), numbers_from=1)}{_SCALE}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _risks(found: Findings) -> str:
    lines = [
        _risk("Supply", found.supply, "prices may react more than the table shows"),
        _risk("Procurement", found.integrity, "money raised may not arrive where it is meant to"),
        "- Model: a small set of equations, fitted to no data.",
    ]
    return "\n".join(lines) + "\n"


def _risk(label: str, score: Score | None, consequence: str) -> str:
    if score is None:
        return f"- {label}: not looked at in this run."
    led = f", led by {plain(score.worst)}" if score.worst else ""
    return f"- {label}: {score.overall:.1f} of 100{led}; {consequence}."


def _doubts(found: Findings, ranking: Sequence[Option]) -> str:
    return "".join(f"- {doubt}\n" for doubt in _each_doubt(found, ranking))


def _each_doubt(found: Findings, ranking: Sequence[Option]) -> Iterator[str]:
    if not ranking:
        for missing in found.lacks():
            yield f"{_capital(plain(missing))}."
        return
    yield from map(plain, thresholds(found))
    if ranking[0].score - ranking[1].score < 5:
        yield "Almost any new fact: the first two options are less than five points of 100 apart."
    yield "Figures from the country's own statistics in place of the made-up ones."


def _sources(found: Findings) -> str:
    steps = [(found.step, "policy simulation")] if found.step else []
    steps += [(found.supply.step, "supply risk")] if found.supply else []
    steps += [(found.integrity.step, "procurement risk")] if found.integrity else []
    lines = [f"- `{step}`: {what}, an earlier step of this run (synthetic)" for step, what in steps]
    return "\n".join(lines or ["- none: no earlier step that this brief can use"]) + "\n"
