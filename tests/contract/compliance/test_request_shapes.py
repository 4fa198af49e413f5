"""The kit against modules that take one thing that the schema of the request refuses, or refuse one that it allows."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from twisted_module import ABOUT, NAME, Answer, Asked, Twist, TwistedModule

from ops_contract.compliance.arguments import selected
from ops_contract.compliance.check import check
from ops_contract.compliance.checks.filled_upstream import FILLED_UPSTREAM
from ops_contract.compliance.checks.mutants import is_valid, mutants_of
from ops_contract.compliance.checks.request_shapes import must_be_refused, must_be_served, not_refused, requirement_of
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Seen
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.result import Exchange
from ops_contract.compliance.targets.target import Target

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SELECT: Final = selected(["OPS-ERR-00[145]", "OPS-FWD-*", "OPS-VER-002", "OPS-PTH-001", "OPS-EXE-001"])
Fits = Callable[[dict[str, Any]], bool]


def takes(fits: Fits) -> Twist:
    """Executes a wrong request that fits."""

    def twist(asked: Asked, answer: Answer) -> Answer:
        if asked.path != "/execute" or answer.status != 422 or not _fits(fits, asked.fields):
            return answer
        return Answer(200, {"status": "success", **ABOUT, "outputs": {}})

    return twist


def refuses(fits: Fits) -> Twist:
    """Refuses a good request that fits."""

    def twist(asked: Asked, answer: Answer) -> Answer:
        if asked.path != "/execute" or answer.status != 200 or not _fits(fits, asked.fields):
            return answer
        error = {"code": "NO", "message": "that is not served", "retryable": False, "pointer": ""}
        return Answer(422, {"status": "error", "module": NAME, "error": error})

    return twist


def _fits(fits: Fits, request: dict[str, Any]) -> bool:
    try:
        return fits(request)
    except (KeyError, IndexError, TypeError, AttributeError):
        return False


def step(request: dict[str, Any]) -> Any:
    return request["upstream"]["kit-figures"]


def seed(request: dict[str, Any]) -> Any:
    return request["options"]["seed"]


TAKEN: Final[dict[str, tuple[str, Fits]]] = {
    "seed-as-text": ("OPS-ERR-005", lambda request: seed(request) == "1"),
    "seed-true": ("OPS-ERR-005", lambda request: seed(request) is True),
    "seed-with-fraction": ("OPS-ERR-005", lambda request: seed(request) == 1.5),
    "deadline-as-text": ("OPS-ERR-005", lambda request: request["options"]["deadline_s"] == "1"),
    "scenario-as-number": ("OPS-ERR-005", lambda request: request["scenario_id"] == 7),
    "synthetic-as-text": ("OPS-ERR-005", lambda request: step(request)["evidence"][0]["synthetic"] == "true"),
    "one-pointer-alone": ("OPS-ERR-005", lambda request: step(request)["evidence"][0]["supports"] == "/kpis/kit_figure"),
    "size-as-text": ("OPS-ERR-005", lambda request: step(request)["artifacts"][0]["size_bytes"] == "1"),
    "action-in-an-array": ("OPS-ERR-005", lambda request: request["action"] == ["execute"]),
    "seed-in-an-array": ("OPS-ERR-005", lambda request: seed(request) == [42]),
    "seed-below": ("OPS-ERR-004", lambda request: seed(request) == -1),
    "seed-above": ("OPS-ERR-004", lambda request: seed(request) == 2**31),
    "seed-null": ("OPS-ERR-004", lambda request: seed(request) is None),
    "deadline-zero": ("OPS-ERR-004", lambda request: repr(request["options"]["deadline_s"]) == "0"),
    "options-null": ("OPS-ERR-004", lambda request: request["options"] is None),
    "options-array": ("OPS-ERR-004", lambda request: isinstance(request["options"], list)),
    "inputs-absent": ("OPS-ERR-004", lambda request: "inputs" not in request),
    "inputs-empty-array": ("OPS-ERR-004", lambda request: request["inputs"] == []),
    "upstream-empty-array": ("OPS-ERR-004", lambda request: request["upstream"] == []),
    "inputs-null": ("OPS-ERR-004", lambda request: request["inputs"] is None),
    "scenario-empty": ("OPS-ERR-004", lambda request: request["scenario_id"] == ""),
    "scenario-too-long": ("OPS-ERR-004", lambda request: len(request["scenario_id"]) == 201),
    "version-with-line-end": ("OPS-ERR-004", lambda request: request["contract_version"] == "1.0\n"),
    "version-too-long": ("OPS-ERR-004", lambda request: len(request["contract_version"]) == 17),
    "run-id-with-line-end": ("OPS-PTH-001", lambda request: request["run_id"].endswith("\n")),
    "step-id-too-long": ("OPS-PTH-001", lambda request: len(request["step_id"]) == 129),
    "upstream-array": ("OPS-ERR-004", lambda request: isinstance(request["upstream"], list)),
    "upstream-key": ("OPS-ERR-004", lambda request: "a/b" in request["upstream"]),
    "too-many-steps": ("OPS-ERR-004", lambda request: len(request["upstream"]) == 1001),
    "step-without-outputs": ("OPS-ERR-004", lambda request: "outputs" not in step(request)),
    "step-with-null-artifacts": ("OPS-ERR-004", lambda request: step(request)["artifacts"] is None),
    "artifact-without-hash": ("OPS-ERR-004", lambda request: "sha256" not in step(request)["artifacts"][0]),
    "artifact-of-negative-size": ("OPS-ERR-004", lambda request: step(request)["artifacts"][0]["size_bytes"] == -1),
    "evidence-with-empty-id": ("OPS-ERR-004", lambda request: step(request)["evidence"][0]["id"] == ""),
    "evidence-without-kind": ("OPS-ERR-004", lambda request: "kind" not in step(request)["evidence"][0]),
}
REFUSED: Final[dict[str, tuple[str, Fits]]] = {
    "no-options": ("OPS-FWD-003", lambda request: "options" not in request),
    "no-seed": ("OPS-FWD-003", lambda request: "seed" not in request["options"]),
    "deadline-null": ("OPS-FWD-003", lambda request: request["options"]["deadline_s"] is None),
    "last-seed-as-float": ("OPS-FWD-003", lambda request: repr(seed(request)) == "2147483647.0"),
    "scenario-that-is-digits": ("OPS-FWD-003", lambda request: request["scenario_id"] == "1"),
    "longest-minor": ("OPS-VER-002", lambda request: len(request["contract_version"]) == 16),
    "unknown-option": ("OPS-FWD-001", lambda request: "x_unknown" in request["options"]),
    "no-upstream": ("OPS-FWD-003", lambda request: "upstream" not in request),
    "most-steps": ("OPS-FWD-002", lambda request: len(request["upstream"]) == 1000),
    "step-of-a-strange-name": ("OPS-FWD-002", lambda request: "constructor" in request["upstream"]),
    "step-without-evidence": ("OPS-FWD-002", lambda request: "evidence" not in step(request)),
    "evidence-without-supports": ("OPS-FWD-002", lambda request: step(request)["evidence"][0]["supports"] == []),
    "evidence-with-null-uri": ("OPS-FWD-002", lambda request: step(request)["evidence"][0]["uri"] is None),
    "details-of-any-type": ("OPS-FWD-002", lambda request: step(request)["evidence"][0]["details"] == ["x"]),
    "anything-in-upstream": ("OPS-FWD-002", lambda request: bool(request["upstream"])),
}


OVER_HTTP: Final = ("seed-as-text", "seed-above", "step-id-too-long", "evidence-without-kind")
REFUSED_OVER_HTTP: Final = ("unknown-option", "longest-minor", "most-steps", "no-upstream")


def good_request() -> dict[str, Any]:
    options = {"seed": 42, "deadline_s": 3600}
    return ModuleUnderTest(Probe("http://127.0.0.1")).request(upstream=FILLED_UPSTREAM, options=options)


@pytest.mark.parametrize(("requirement", "fits"), TAKEN.values(), ids=TAKEN)
def test_wrong_request_is_sent_and_has_its_requirement(requirement: str, fits: Fits) -> None:
    request, served = good_request(), Seen(Exchange(method="POST", url="/execute", request_headers={}, status=200))
    fitting = [mutant for mutant in mutants_of(request) if _fits(fits, mutant.applied_to(request))]
    assert fitting
    assert all(must_be_refused(mutant, request) for mutant in fitting)
    found = [not_refused(mutant, served) for mutant in fitting]
    assert {one.requirement for one in found if one is not None} == {requirement}


@pytest.mark.parametrize(("requirement", "fits"), REFUSED.values(), ids=REFUSED)
def test_good_request_is_sent_and_has_its_requirement(requirement: str, fits: Fits) -> None:
    request = good_request()
    fitting = [mutant for mutant in mutants_of(request) if _fits(fits, mutant.applied_to(request))]
    sent = [mutant for mutant in fitting if must_be_served(mutant, request)]
    assert requirement in {requirement_of(mutant) for mutant in sent}


@pytest.mark.parametrize("what", OVER_HTTP)
async def test_wrong_request_that_is_taken_is_found(what: str) -> None:
    requirement, fits = TAKEN[what]
    found = await TwistedModule(takes(fits)).broken(*SELECT)
    assert set(found) == {requirement}
    assert _fits(fits, json.loads(found[requirement].exchanges[0].request_body))


@pytest.mark.parametrize("what", REFUSED_OVER_HTTP)
async def test_good_request_that_is_refused_is_found(what: str) -> None:
    requirement, fits = REFUSED[what]
    assert set(await TwistedModule(refuses(fits)).broken(*SELECT - {"OPS-ERR-004", "OPS-ERR-005"})) == {requirement}


async def test_refusal_of_anything_in_upstream_is_no_reason_to_find_wrong_requests_taken() -> None:
    requirement, fits = REFUSED["anything-in-upstream"]
    assert set(await TwistedModule(refuses(fits)).broken(*SELECT)) == {requirement}


def test_seeds_at_the_bounds_are_left_to_the_requirement_of_deterministic_modules() -> None:
    request = good_request()
    (last,) = (one for one in mutants_of(request) if one.pointer == "/options/seed" and repr(one.value) == "2147483647")
    assert [requirement_of(last, profiles) for profiles in ([], ["deterministic"])] == ["OPS-FWD-003", "OPS-DET-004"]


async def test_what_upstream_has_nothing_to_do_with_is_shown_without_it() -> None:
    found = await TwistedModule(takes(lambda request: seed(request) == -1)).broken("OPS-ERR-004")
    (exchange,) = found["OPS-ERR-004"].exchanges
    assert (json.loads(exchange.request_body)["upstream"], found["OPS-ERR-004"].expected) == (
        {},
        "422 with the pointer '/options/seed' for the number -1 at /options/seed",
    )


@pytest.mark.parametrize(
    ("pointer", "says", "broken"),
    [
        ("/options/seed", "/options", {"OPS-ERR-004"}),
        ("/run_id", "", set()),
        ("/upstream/kit-figures/evidence/0/id", "/upstream/kit-figures", set()),
        ("/upstream/kit-figures/evidence/0/id", "/upstream/kit-figures/artifacts", {"OPS-ERR-004"}),
    ],
)
async def test_pointer_leads_to_the_field_or_to_what_holds_it(pointer: str, says: str, broken: set[str]) -> None:
    def pointing(asked: Asked, answer: Answer) -> Answer:
        is_absent = pointer == "/run_id" and "run_id" in asked.fields
        is_this = answer.is_error and answer.body["error"].get("pointer") == pointer and not is_absent
        return answer.with_error(pointer=says) if is_this else answer

    assert set(await TwistedModule(pointing).broken("OPS-ERR-004")) == broken


async def test_names_of_artifacts_in_upstream_need_not_be_judged_again() -> None:
    def lenient(asked: Asked, answer: Answer) -> Answer:
        is_name = answer.is_error and str(answer.body["error"].get("pointer")).endswith("/artifacts/0/name")
        is_text = is_name and bool(step(asked.fields)["artifacts"][0].get("name"))
        is_text = is_text and isinstance(step(asked.fields)["artifacts"][0]["name"], str)
        return Answer(200, {"status": "success", **ABOUT, "outputs": {}}) if is_text else answer

    assert await TwistedModule(lenient).broken(*SELECT) == {}


async def test_module_is_asked_for_few_results() -> None:
    """What is good is sent together, since results may take long; alone, only what was not served together."""
    answers: list[int | None] = []

    def counting(_: Asked, answer: Answer) -> Answer:
        answers.append(answer.status)
        return replace(answer)

    module = TwistedModule(counting)
    await module.broken("OPS-ERR-004", "OPS-FWD-003")
    sent = [asked for asked, status in zip(module.asked, answers, strict=True) if asked.path == "/execute" and status == 200]
    assert len([asked for asked in sent if asked.fields.get("upstream")]) < 25


async def test_module_is_sent_only_what_a_chosen_requirement_needs() -> None:
    module = TwistedModule()
    await module.broken("OPS-PTH-001", "OPS-FWD-003")
    assert len(module.asked) < 150


async def test_of_what_is_behind_an_adapter_only_that_is_asked_which_it_may_pass_by_itself() -> None:
    behind = TwistedModule(lambda _, answer: replace(answer, status=404, body=b"no"))
    async with TwistedModule().served() as url, behind.served() as bare:
        report = await check(Target(url, "adapted", behind=bare))
    assert {"OPS-EXE-001", "OPS-ERR-004", "OPS-PTH-001"} <= set(report.covered)
    assert len(behind.asked) < 150


def test_requests_are_the_same_each_time_and_of_every_field() -> None:
    request = ModuleUnderTest(Probe("http://127.0.0.1")).request(
        upstream=FILLED_UPSTREAM, options={"seed": 42, "deadline_s": 3600}
    )
    first, second = list(mutants_of(request)), list(mutants_of(request))
    assert first == second
    assert is_valid(request)
    fields = {"/contract_version", "/run_id", "/step_id", "/scenario_id", "/action", "/inputs", "/options/seed"}
    deep = {"module", "outputs", "artifacts/0/sha256", "artifacts/0/media_type", "evidence/0/supports/0", "evidence/0/details"}
    assert fields | {f"/upstream/kit-figures/{one}" for one in deep} <= {mutant.pointer for mutant in first}
