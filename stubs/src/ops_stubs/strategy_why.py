"""Why the options of the strategy agent stand in their order, and which other change would give another order."""

from collections.abc import Iterator, Sequence
from typing import Final

from ops_stubs.figures import LEVERS, percent
from ops_stubs.strategy_findings import Findings
from ops_stubs.strategy_options import NAMES, Option
from ops_stubs.strategy_scores import CRITERIA, TurningPoint, total, turning_points

__all__ = ["changes_law", "thresholds", "why"]

_CHANGING: Final = ("adopt", "phase-in")


def changes_law(option: Option) -> bool:
    """Whether the option carries out the change that the scenario asks about."""
    return option.id in _CHANGING


def why(ranking: Sequence[Option]) -> tuple[str, ...]:
    """By what the first option leads the second one and, where both change the law or neither does, the best of the others."""
    if not ranking:
        return ()
    best, second = ranking[:2]
    others = [option for option in ranking[1:] if changes_law(option) != changes_law(best)]
    rivals = dict.fromkeys([second.id, *(option.id for option in others[:1])])
    return tuple(_lead(best, option) for option in ranking if option.id in rivals)


def thresholds(found: Findings) -> tuple[str, ...]:
    """Where a smaller or a larger change of the same kind would put another option first, and what would be the reason."""
    if not any(found.change.values()):
        return ()
    sentences = tuple(sentence for point in turning_points(found) if (sentence := _threshold(found, point)))
    return sentences or ("No change of this kind, up to three times as large, would put another option first.",)


def _lead(best: Option, other: Option) -> str:
    ahead = {name: points - other.points[name] for name, points in best.points.items()}
    gains = [f"{CRITERIA[name]} (+{lead:.1f})" for name, lead in _largest(ahead) if lead >= 0.05]
    losses = [f"{CRITERIA[name]} ({lead:.1f})" for name, lead in _largest(ahead) if lead <= -0.05]
    margin = total(best.points) - total(other.points)
    parts = (f"ahead on {_listed(gains)}" if gains else "", f"behind on {_listed(losses)}" if losses else "")
    where = " and ".join(filter(None, parts)) or "level on every criterion"
    return f"{_capital(NAMES[best.id])} leads {NAMES[other.id]} by {_points(margin)}. It is {where}."


def _threshold(found: Findings, point: TurningPoint) -> str:
    where = _where(found, point.times)
    if not where:
        return ""
    share = f" ({point.main_gained:+.1f})" if point.main_gained >= 0.05 else ""
    gained = f"{_points(point.gained)} on {NAMES[point.former]}, most of all on {CRITERIA[point.main]}{share}"
    return f"{where}, {NAMES[point.leader]} would lead: by then it has gained {gained}."


def _where(found: Findings, times: float) -> str:
    """A threshold as a rate when one rate changes, else as a multiple of the change; empty for a rate that cannot be."""
    changed = [(name, rates) for name, rates in found.levers.items() if rates[0] != rates[1]]
    if len(changed) != 1:
        return f"With {'more' if times > 1 else 'less'} than about {times:.1f} times this change"
    name, (before, after) = changed[0]
    rate = before + (after - before) * times
    side = "above" if (after - before) * (times - 1) > 0 else "below"
    return f"With {LEVERS.get(name, name)} {side} about {percent(round(rate, 3))}" if 0 <= rate <= 1 else ""


def _largest(ahead: dict[str, float]) -> Iterator[tuple[str, float]]:
    yield from sorted(ahead.items(), key=lambda item: -abs(item[1]))


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _points(points: float) -> str:
    text = f"{points:.1f}"
    return "less than 0.1 points" if text == "0.0" else "1 point" if text == "1.0" else f"{text} points"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
