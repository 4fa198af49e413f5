"""`/sweeps/new` and the form on `/sweeps`: a scenario, the inputs that are varied in it, and seeds."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from ops_contract import JsonError, parse_json
from ops_orchestrator.errors import NotFoundError
from ops_orchestrator.planning.examples import EXAMPLES
from ops_orchestrator.runs.reports.object_leaves import object_leaves
from ops_orchestrator.runs.scale import is_number
from ops_orchestrator.service.pages.forms import read_form
from ops_orchestrator.service.pages.site import Page, Site

_COLUMNS: Final = ("pointer", "values", "from", "to", "step")
_RANGE: Final = _COLUMNS[2:]
_LEAST_ROWS: Final = 3
_MOST_ROWS: Final = 32
_MOST_INPUTS: Final = 200

Fields = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Varied:
    """What was typed about one input: its pointer, and a list of values, or a range."""

    pointer: str = ""
    values: str = ""
    range: tuple[str, ...] = ("", "", "")

    @property
    def is_empty(self) -> bool:
        """Whether nothing was typed."""
        return not any((self.pointer, self.values, *self.range))

    @property
    def problem(self) -> str:
        """What is wrong with it as a whole; empty for nothing. What it comes to is for the API to judge."""
        if not self.pointer:
            return "has values and no input; name the input, such as /policy_parameters/vat_rate"
        if self.values and any(self.range):
            return "has values and a range; give one of them"
        return "" if self.values or any(self.range) else "has neither values nor a range; give one of them"

    @property
    def asked(self) -> Any:
        """What is asked for of the API."""
        if self.values:
            return _listed(self.values)
        return {name: _value(text) for name, text in zip(_RANGE, self.range, strict=True) if text}


@dataclass(frozen=True)
class Form:
    """What was typed into a form: a scenario as text, rows of what is varied, and seeds."""

    scenario: str
    varied: Sequence[Varied] = ()
    seeds: str = ""

    @classmethod
    def of(cls, fields: Fields, scenario: str) -> "Form":
        """The form of `fields`, with the scenario that it names otherwise where it has none."""
        columns = [[text.strip() for text in islice(fields.get(name, ()), _MOST_ROWS)] for name in _COLUMNS]
        rows = [Varied(pointer, values, tuple(varied)) for pointer, values, *varied in zip_longest(*columns, fillvalue="")]
        kept = [row for row in rows if not row.is_empty]
        return cls(scenario, kept, (fields.get("seeds") or [""])[0].strip())

    @property
    def rows(self) -> list[Varied]:
        """What was typed, and room for more."""
        return [*self.varied, *[Varied()] * max(_LEAST_ROWS - len(self.varied), 1)]

    @property
    def inputs(self) -> list[str]:
        """The inputs of the scenario, by pointer, as far as it can be read."""
        inputs = (self._read() or {}).get("inputs")
        return [pointer for pointer, _ in islice(object_leaves(inputs), _MOST_INPUTS)] if isinstance(inputs, dict) else []

    @property
    def problems(self) -> list[dict[str, str]]:
        """What is wrong with its rows."""
        pointers = [row.pointer for row in self.varied]
        found = [(f"row {number}", row.problem) for number, row in enumerate(self.varied, 1) if row.problem]
        found += [
            (f"row {number}", f"varies {pointer:.200} again; put all of its values into one row")
            for number, pointer in enumerate(pointers, 1)
            if pointer and pointer in pointers[: number - 1]
        ]
        return [{"pointer": place, "detail": detail} for place, detail in found]

    @property
    def body(self) -> bytes:
        """What is sent to the API: the scenario with `sweep`, or the text as it is where that cannot be read."""
        scenario = self._read()
        if scenario is None or not (self.varied or self.seeds):
            return self.scenario.encode()
        written = scenario.get("sweep")
        sweep = written if isinstance(written, dict) else {}
        if self.varied:
            parameters = sweep.get("parameters")
            typed = {row.pointer: row.asked for row in self.varied}
            sweep = sweep | {"parameters": (parameters if isinstance(parameters, dict) else {}) | typed}
        if self.seeds:
            sweep = sweep | {"seeds": _seeds(self.seeds)}
        return json.dumps(scenario | {"sweep": sweep}, ensure_ascii=False).encode()

    def _read(self) -> dict[str, Any] | None:
        try:
            scenario = parse_json(self.scenario.encode())
        except JsonError:
            return None
        return scenario if isinstance(scenario, dict) else None


async def new(site: Site, request: Request) -> Response:
    """A sweep to be written: of an example or an earlier run, with what the address says is varied."""
    site.refuse_when_read_only()
    query = request.query_params
    fields = {name: query.getlist(name) for name in (*_COLUMNS, "seeds")}
    if run_id := query.get("run"):
        scenario = (await asyncio.to_thread(site.parts.store.record, run_id)).request
    else:
        scenario = _example(query.get("example") or next(iter(EXAMPLES)))
    return _form(site, request, Form.of(fields, _as_text(scenario)), {})


async def start(site: Site, request: Request) -> Response:
    """Start the sweep that was sent, and show it; what is refused is shown above the form, which keeps what was typed."""
    fields = await read_form(request)
    text = (fields.get("scenario") or [""])[0]
    form = Form.of(fields, text or _as_text(_example((fields.get("example") or [""])[0])))
    if form.problems:
        problem = {"title": "The sweep cannot be read.", "detail": "Nothing was started.", "errors": form.problems}
        return _form(site, request, form, problem, 422)
    answer = await site.post(request, "/sweeps", form.body)
    if not answer.is_good:
        return _form(site, request, form, answer.json, answer.status)
    return site.see(f"/sweeps/{answer.json['sweep_id']}")


PAGES: Final = (Page("/sweeps/new", new), Page("/sweeps", start, "POST"))


def number_inputs() -> list[str]:
    """The inputs of the examples that are numbers, by pointer: those that a range can vary; shares first."""
    found = {
        pointer: value
        for example in EXAMPLES.values()
        for pointer, value in object_leaves(example["inputs"])
        if is_number(value)
    }
    return sorted(found, key=lambda pointer: not isinstance(found[pointer], float))


def _form(site: Site, request: Request, form: Form, problem: Mapping[str, Any], status: int = 200) -> Response:
    return site.page(request, "new_sweep.html", status, form=form, problem=problem, examples=tuple(EXAMPLES))


def _example(name: str) -> dict[str, Any]:
    if name not in EXAMPLES:
        raise NotFoundError(f"There is no example {name!r:.60}; there are {', '.join(EXAMPLES)}.")
    return EXAMPLES[name]


def _as_text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _listed(text: str) -> list[Any]:
    """The values of a list: JSON, or separated by commas."""
    whole = _value(text)
    return whole if isinstance(whole, list) else [_value(part.strip()) for part in text.split(",") if part.strip()]


def _seeds(text: str) -> Any:
    """A number of seeds, or a list of seeds."""
    return _listed(text) if "," in text or text.startswith("[") else _value(text)


def _value(text: str) -> Any:
    """A value as JSON, or as the text that it is."""
    try:
        return parse_json(text.encode())
    except JsonError:
        return text
