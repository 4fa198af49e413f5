"""What several runs are called when they stand side by side."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from ops_contract import differences, resolve_pointer, split_pointer
from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.scale import value_text

_MOST_PLACES: Final = 100
_LONGEST_VALUE: Final = 24
_STEP: Final = re.compile(r"/modules/[0-9]+")


def headings(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """A heading for each run: its scenario; for runs of one scenario also an input that varies, or the end of the run's id.

    No two are the same.
    """
    by_scenario: dict[str, list[int]] = {}
    for at, record in enumerate(records):
        by_scenario.setdefault(record.scenario_id, []).append(at)
    found = [record.scenario_id for record in records]
    for scenario_id, places in by_scenario.items():
        if len(places) > 1:
            for at, varying in zip(places, _varying([records[at] for at in places]), strict=True):
                found[at] = f"{scenario_id}, {varying}" if varying else scenario_id
    by_id = [f"{heading}, {record.run_id[-6:]}" for heading, record in zip(found, records, strict=True)]
    return _numbered(_where_needed(found, by_id))


def _varying(records: Sequence[RunRecord]) -> list[str]:
    """For each run its value of the first input in which all of them differ, or else in which some do; empty without one."""
    made_of = [_made_of(record) for record in records]
    places = dict.fromkeys(_places(made_of))
    by_place = {place: [_value_at(one, place) for one in made_of] for place in places}
    chosen = next((place for place, values in by_place.items() if len(set(values)) == len(values)), next(iter(places), None))
    if chosen is None:
        return [""] * len(records)
    name = split_pointer(chosen)[-1]
    return [f"no {name}" if value is None else f"{name} = {value}" for value in by_place[chosen]]


def _made_of(record: RunRecord) -> dict[str, Any]:
    """What of a scenario can vary between its runs: its inputs, those of its steps, and the seed."""
    steps = record.request.get("modules")
    own = [step.get("inputs", {}) if isinstance(step, dict) else {} for step in (steps if isinstance(steps, list) else ())]
    return {"inputs": record.request["inputs"], "modules": own, "seed": record.request["run_options"].get("seed")}


def _places(made_of: Sequence[dict[str, Any]]) -> Iterator[str]:
    for other in made_of[1:]:
        for place in islice(differences(made_of[0], other), _MOST_PLACES):
            # A step that only one of them has is no value that varies.
            if not _STEP.fullmatch(place.pointer):
                yield place.pointer


def _value_at(made_of: dict[str, Any], place: str) -> str | None:
    """The value as JSON, so that it can be compared and shown; None where there is none."""
    try:
        value = resolve_pointer(made_of, place)
    except LookupError:
        return None
    return value_text(value, _LONGEST_VALUE)


def _where_needed(usual: Sequence[str], longer: Sequence[str]) -> list[str]:
    count = Counter(usual)
    return [longer[at] if count[name] > 1 else name for at, name in enumerate(usual)]


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    """The same run may have been named twice."""
    return tuple(_where_needed(names, [f"{name} ({at})" for at, name in enumerate(names, start=1)]))
