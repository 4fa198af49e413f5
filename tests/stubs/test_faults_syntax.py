"""How transport faults are written, and when they act."""

from typing import Any

import pytest

from ops_stubs.errors import FaultError
from ops_stubs.faults import KINDS, VIOLATIONS, Faults, parse_fault
from ops_stubs.faults.plan import Plan
from ops_stubs.faults.syntax import fault_of_json
from ops_stubs.faults.violations import violations_of


@pytest.mark.parametrize("name", KINDS)
def test_fault_of_a_kind_alone_has_its_defaults(name: str) -> None:
    fault = parse_fault(name)
    assert (fault.kind.name, fault.parameters, fault.plan) == (name, KINDS[name].defaults, Plan())


def test_fault_with_parameters_and_a_plan_is_read() -> None:
    fault = parse_fault(" latency:ms=200, jitter=50,first=2,every=3,skip=1,path=/health ")
    assert fault.parameters == {"ms": 200.0, "jitter": 50.0, "seed": 0}
    assert fault.plan == Plan("/health", skip=1, first=2, every=3)


def test_fault_with_a_url_keeps_it_whole() -> None:
    assert parse_fault("redirect:to=http://a:1/?b=c").parameters["to"] == "http://a:1/?b=c"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no fault is called ''; `ops-stubs faults` lists them"),
        ("latncy", "did you mean 'latency'?"),
        ("latency:200", "'200' in 'latency:200' must be NAME=VALUE"),
        ("latency:mss=200", "latency takes no 'mss'; did you mean 'ms'?"),
        ("hang:ms=200", "hang takes no 'ms'; it takes path, skip, first, every"),
        ("latency:ms=soon", "ms must be a number from 0 to 1000000000, not 'soon'"),
        ("latency:ms=nan", "ms must be a number"),
        ("latency:ms=-1", "ms must be a number"),
        ("status:code=200", "code must be an integer from 400 to 599, not '200'"),
        ("redirect:code=503", "code must be an integer from 300 to 399"),
        ("truncate:share=2", "share must be a number from 0 to 1"),
        ("drip:bytes=1.5", "bytes must be an integer"),
        ("hang:first=0", "first must be an integer from 1"),
        ("hang:path=execute", "path must begin with a slash"),
        ("redirect:to=a\nb", "must be printable text"),
    ],
)
def test_fault_that_makes_no_sense_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse_fault(text)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("value", [{"kind": "latency", "ms": True}, {"kind": 7}, {"kind": "hang", "path": 7}, None], ids=repr)
def test_fault_of_odd_json_is_refused(value: Any) -> None:
    with pytest.raises(FaultError):
        fault_of_json(value)


@pytest.mark.parametrize(
    ("plan", "due"),
    [
        (Plan(), [1, 2, 3, 4, 5, 6, 7]),
        (Plan(first=2), [1, 2]),
        (Plan(every=3), [3, 6]),
        (Plan(skip=2, first=3), [3, 4, 5]),
        (Plan(skip=1, every=2), [3, 5, 7]),
        (Plan(first=4, every=2), [2, 4]),
    ],
    ids=str,
)
def test_plan_is_due_on_the_requests_that_it_names(plan: Plan, due: list[int]) -> None:
    assert [number for number in range(1, 8) if plan.is_due(number)] == due


def test_faults_count_the_requests_of_their_own_path() -> None:
    faults = Faults(transport=["hang:first=1", "reset:path=/health,every=2"])
    acted = [[fault.kind.name for _, fault in faults.due(path)] for path in ("/health", "/execute", "/health", "/execute")]
    assert acted == [[], ["hang"], ["reset"], []]


def test_violations_are_found_once_whatever_their_case() -> None:
    assert violations_of(["ops-art-003", " OPS-ART-003 "]) == (VIOLATIONS["OPS-ART-003"],)


@pytest.mark.parametrize(("name", "hint"), [("OPS-ART-03", "did you mean 'OPS-ART-0"), ("x", "; `ops-stubs faults`")])
def test_violation_of_an_unknown_id_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(FaultError) as caught:
        Faults([name])
    assert hint in str(caught.value)


def test_faults_that_cannot_all_be_staged_stage_none() -> None:
    faults = Faults(["OPS-ART-003"], ["hang"])
    with pytest.raises(FaultError):
        faults.stage((), ["hang", "hung"])
    assert faults.as_json() == {"violate": ["OPS-ART-003"], "faults": [{"kind": "hang", "path": "/execute", "skip": 0}]}
