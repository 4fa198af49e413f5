"""What a run must come to: written down from a good one, and judged by any later one of the same scenario."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import reduce
from itertools import islice
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from ops_contract import (
    Identifier,
    JsonError,
    Problem,
    ShapeError,
    join_pointer,
    parse_json,
    resolve_pointer,
    validate,
)
from ops_orchestrator.errors import ConfigurationError, InvalidRequestError
from ops_orchestrator.planning.scenario import Closed, Scenario, read_scenario
from ops_orchestrator.runs.comparison.grades import Tolerance
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.scale import is_number
from ops_orchestrator.runs.supports import leaves

_FORMAT: Final = 1
_MOST_FIGURES: Final = 500
_KEY_FIGURES: Final = "kpis"
_Share = Annotated[float, Field(ge=0, le=1)]
_Distance = Annotated[float, Field(ge=0)]


class ExpectedTolerance(Closed):
    """How far a figure may be from its value, whichever allows more."""

    rel: _Share = 0.0
    abs: _Distance = 0.0


class ExpectedFigure(Closed):
    """A figure, with the tolerance of the file unless it has its own, of which a part not given is 0.

    A number alone stands for its value.
    """

    value: float
    rel: _Share | None = None
    abs: _Distance | None = None


class ExpectedFingerprints(Closed):
    """Those of the run that was written down."""

    recipe: str | None = None
    result: str | None = None


def _figure(value: Any) -> Any:
    if is_number(value):
        return {"value": value}
    if isinstance(value, dict | ExpectedFigure):
        return value
    raise PydanticCustomError("complete", "must be a number, or an object with value, and with rel or abs")


_Figures = dict[str, Annotated[ExpectedFigure, BeforeValidator(_figure)]]


class _Document(Closed):
    format: Literal[1]
    scenario: dict[str, Any]
    fingerprints: ExpectedFingerprints = ExpectedFingerprints()
    tolerance: ExpectedTolerance = ExpectedTolerance()
    figures: dict[Identifier, _Figures] = Field(default_factory=dict)


@dataclass(frozen=True)
class Expectation:
    """What a run of `scenario` must come to. `figures` by step and by pointer into its outputs."""

    scenario: Scenario
    fingerprints: ExpectedFingerprints
    tolerance: ExpectedTolerance
    figures: Mapping[str, Mapping[str, ExpectedFigure]]


@dataclass(frozen=True)
class Missed:
    """A figure that is not what it must be; `found` is None where the run has no such number."""

    step: str
    pointer: str
    expected: float
    found: float | None
    rel: float
    abs: float


@dataclass(frozen=True)
class Judgement:
    """Whether a run came to what it must, of how many figures; `notes` are what does not fail it, or say why it failed."""

    passed: bool
    figures: int
    missed: tuple[Missed, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """The judgement as JSON."""
        return asdict(self)


def expectation_text(record: RunRecord, results: Results, *, rel: float, figures_only: bool = False) -> bytes:
    """The file for a completed run: the same run, or one with the same results, gives the same bytes.

    The figures of a step are the numbers in its `kpis`, or all of its outputs where it has none, 500 at most. With
    `figures_only` the file has no fingerprints. Raises ConfigurationError for a run that is not completed, and where the file
    would have nothing to judge a run by.
    """
    if record.status != "completed":
        raise ConfigurationError(f"{record.run_id} is {record.status}: only a completed run says what a run must come to")
    fingerprints = {"fingerprints": {"recipe": record.fingerprints.recipe, "result": record.fingerprints.result}}
    figures = {step: _key_figures(full.outputs) for step, full in results.steps.items()}
    if figures_only and not any(figures.values()):
        raise ConfigurationError(f"{record.run_id} has no figures to judge a run by; leave out --figures-only")
    document = {
        "format": _FORMAT,
        "scenario": record.request,
        **({} if figures_only else fingerprints),
        "tolerance": {"rel": rel, "abs": 0.0},
        "figures": figures,
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def read_expectation(content: bytes) -> Expectation:
    """The expectation in a file. Raises InvalidRequestError, with pointers."""
    try:
        document = validate(_Document, parse_json(content), "expectation")
    except JsonError as error:
        raise InvalidRequestError(f"This is not JSON as it should be: {error}.") from error
    except ShapeError as error:
        raise InvalidRequestError("It does not have the right shape.", error.problems, error.problem_count) from error
    try:
        scenario = read_scenario(json.dumps(document.scenario).encode())
    except InvalidRequestError as error:
        problems = [Problem(f"/scenario{problem.pointer}", problem.message) for problem in error.problems]
        raise InvalidRequestError(error.detail, problems) from error
    steps = {step.step_id for step in scenario.modules}
    if unknown := [step for step in document.figures if step not in steps]:
        problems = [Problem(join_pointer("/figures", step), "is not a step of the scenario") for step in unknown]
        raise InvalidRequestError("A figure belongs to no step.", problems)
    if not any(document.figures.values()) and document.fingerprints.result is None:
        problem = Problem("/figures", "has no figure, and there is no fingerprint of the result")
        raise InvalidRequestError("Every run would be as it says.", [problem])
    return Expectation(scenario, document.fingerprints, document.tolerance, document.figures)


def judge(expectation: Expectation, record: RunRecord, results: Results) -> Judgement:
    """Whether a run came to what it must."""
    count = sum(map(len, expectation.figures.values()))
    if record.status != "completed":
        why = f": {record.error['message']}" if record.error else ""
        return Judgement(passed=False, figures=count, notes=(f"the run is {record.status}{why}",))
    missed = tuple(_missed(expectation, results))
    recipe, result = expectation.fingerprints.recipe, expectation.fingerprints.result
    has_other_result = result is not None and result != record.fingerprints.result
    notes = []
    if not _is_of(expectation.scenario, record):
        notes.append("the run is of another scenario: its modules, inputs or seed are not those of the file")
    elif recipe is not None and recipe != record.fingerprints.recipe:
        notes.append("the recipe differs: the scenario or the version, image or adapter of a module is another one")
    if has_other_result:
        judged = "all figures are within their tolerance" if count else "the file has no figures to judge it by"
        notes.append("the result differs" if missed else f"the result differs, and {judged}")
    return Judgement(not missed and (count > 0 or not has_other_result), count, missed, tuple(notes))


def _is_of(scenario: Scenario, record: RunRecord) -> bool:
    asked, ran = scenario.as_json(), record.request
    seeds = [request["run_options"].get("seed", 0) for request in (asked, ran)]
    return all(asked[name] == ran[name] for name in ("modules", "inputs")) and seeds[0] == seeds[1]


def _missed(expectation: Expectation, results: Results) -> Iterator[Missed]:
    for step, figures in expectation.figures.items():
        outputs = results.steps[step].outputs if step in results.steps else {}
        for pointer, figure in figures.items():
            tolerance = _tolerance(figure, expectation.tolerance)
            value = _number_at(outputs, pointer)
            if value is None or not tolerance.accepts(figure.value, value):
                yield Missed(step, pointer, figure.value, value, tolerance.rel, tolerance.abs)


def _tolerance(figure: ExpectedFigure, usual: ExpectedTolerance) -> Tolerance:
    if figure.rel is None and figure.abs is None:
        return Tolerance(usual.rel, usual.abs)
    return Tolerance(figure.rel or 0.0, figure.abs or 0.0)


def _key_figures(outputs: Mapping[str, Any]) -> dict[str, float]:
    key_figures = _numbers(outputs, f"/{_KEY_FIGURES}") if _KEY_FIGURES in outputs else {}
    return key_figures or _numbers(outputs, "")


def _numbers(outputs: Mapping[str, Any], pointer: str) -> dict[str, float]:
    """The first numbers at and below `pointer`, each by its whole pointer."""
    figures = (leaf for leaf in leaves(outputs, pointer=pointer) if leaf.is_figure)
    return {reduce(join_pointer, leaf.tokens, ""): leaf.value for leaf in islice(figures, _MOST_FIGURES)}


def _number_at(outputs: Mapping[str, Any], pointer: str) -> float | None:
    try:
        value = resolve_pointer(outputs, pointer)
    except LookupError:
        return None
    return value if is_number(value) else None
