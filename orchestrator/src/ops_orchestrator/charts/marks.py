"""The marks in the field of a plot: grid, band, median, baseline, single runs and failures."""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from ops_orchestrator.charts import svg
from ops_orchestrator.charts.field import Field
from ops_orchestrator.charts.sheet import cross
from ops_orchestrator.charts.spread import Spread
from ops_orchestrator.charts.svg import Markup
from ops_orchestrator.charts.words import width

_MOST_RANGE_WIDTH: Final = 36
_LONE_BAND_WIDTH: Final = 6
_MOST_MEDIAN_POINTS: Final = 60
_FEW_RUNS: Final = 12


def drawn_field(field: Field) -> Markup:
    """Grid, labels and all marks of a plot, from back to front."""
    parts = [*_band(field), *_grid(field), *_own(field), *_baseline(field), *_middle(field)]
    if not field.is_small:
        parts += _runs(field)
    return svg.joined([*parts, *_medians(field), *_failures(field)])


def _grid(field: Field) -> Iterator[Markup]:
    frame = field.frame
    for tick in field.upright.ticks:
        y = field.y(tick.value)
        yield svg.path("gr", svg.line_to([(frame.left, y), (frame.right, y)]))
        yield svg.words((frame.left - 8, y + 4), tick.label, anchor="end")
    yield svg.path("ax", svg.line_to([(frame.left, frame.bottom), (frame.right, frame.bottom)]))
    for x, label in field.labels:
        yield svg.words((x, frame.bottom + 18), label, anchor="middle")


def _own(field: Field) -> Iterator[Markup]:
    if (x := field.own) is None:
        return
    yield svg.path("own", svg.line_to([(x, field.frame.top), (x, field.frame.bottom)]))
    if not field.is_small:
        name = field.plot.names.own
        beyond = x + 6 + width(name) > field.frame.right
        yield svg.words((x - 6 if beyond else x + 6, field.frame.top - 4), name, anchor="end" if beyond else "start")


def _band(field: Field) -> Iterator[Markup]:
    if not field.plot.has_band:
        return
    if not field.plot.is_numeric:
        wide = min(field.place * 0.6, _MOST_RANGE_WIDTH)
        for x, group in field.placed:
            if group.spread:
                yield _bar(field, x, group.spread, wide)
        return
    for stretch in _stretches(field):
        if len(stretch) == 1:
            yield _bar(field, *stretch[0], _LONE_BAND_WIDTH)
        else:
            upper = [(x, field.y(spread.high)) for x, spread in stretch]
            lower = [(x, field.y(spread.low)) for x, spread in reversed(stretch)]
            yield svg.path("bd", svg.line_to([*upper, *lower]) + "z")


def _bar(field: Field, x: float, spread: Spread, wide: float) -> Markup:
    top = field.y(spread.high)
    return svg.rectangle("bd", (x - wide / 2, top), (wide, field.y(spread.low) - top))


def _baseline(field: Field) -> Iterator[Markup]:
    places = [(x, field.y(group.baseline)) for x, group in field.placed if group.baseline is not None]
    if field.plot.is_numeric and len(places) > 1:
        yield svg.path("dash", svg.line_to(places))
        return
    for x, y in places:
        yield _short_line(field, "dash", (x, y), 0.45, _MOST_RANGE_WIDTH)


def _middle(field: Field) -> Iterator[Markup]:
    if field.plot.is_numeric:
        for stretch in _stretches(field):
            if len(stretch) > 1:
                yield svg.path("ln", svg.line_to((x, field.y(spread.middle)) for x, spread in stretch))
        return
    for x, group in field.placed:
        if group.spread:
            yield _short_line(field, "ln", (x, field.y(group.spread.middle)), 0.3, _MOST_RANGE_WIDTH / 2)


def _short_line(field: Field, look: str, center: svg.Point, part: float, most: float) -> Markup:
    reach, (x, y) = min(field.place * part, most), center
    return svg.path(look, svg.line_to([(x - reach, y), (x + reach, y)]))


def _runs(field: Field) -> Iterator[Markup]:
    # The mark of a median is that of its run where there is one run only.
    least = 1 if field.plot.has_links and not _has_medians(field) else 2
    several = [(x, group) for x, group in field.placed if len(group.figures) >= least]
    many = any(len(group.figures) > _FEW_RUNS for _, group in several)
    radius = 2 if many else 3
    circles = [
        svg.linked(link, svg.circle("", (x, field.y(figure)), radius)) for x, group in several for figure, link in group.runs
    ]
    if circles:
        yield svg.element("g", *circles, look="many" if many else "dot")


def _medians(field: Field) -> Iterator[Markup]:
    if _has_medians(field):
        for x, group in field.placed:
            if group.spread:
                link = group.links[0] if len(group.links) == 1 else None
                yield svg.linked(link, svg.circle("pt", (x, field.y(group.spread.middle)), 2.4 if field.is_small else 3.4))


def _has_medians(field: Field) -> bool:
    return field.plot.is_numeric and len(field.placed) <= _MOST_MEDIAN_POINTS


def _failures(field: Field) -> Iterator[Markup]:
    for x, group in field.placed:
        if group.failed:
            mark = cross((x, field.frame.bottom), f"{group.label}: {group.failed} failed", 3 if field.is_small else 4)
            yield svg.linked(group.failed_link, mark)


def _stretches(field: Field) -> Iterator[list[tuple[float, Spread]]]:
    """Groups that follow one another and have figures: a line does not pass over a value at which all runs failed."""
    for has_figures, stretch in groupby(field.placed, key=lambda placed: placed[1].spread is not None):
        if has_figures:
            yield [(x, group.spread) for x, group in stretch if group.spread]
