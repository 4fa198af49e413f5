"""The kit against modules whose answers change with what must not change them, each in one way that one probe shows."""

import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from keyed_module import Asked, KeyedModule

from ops_contract import RefusalError
from ops_contract.compliance.check import check
from ops_contract.compliance.result import Verdict

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

DETERMINISM = ("OPS-DET-001", "OPS-DET-002", "OPS-DET-003", "OPS-DET-004")
IDEMPOTENCY = ("OPS-IDM-001", "OPS-IDM-002", "OPS-IDM-003")
DEPENDS_ON_KEYS = {"OPS-FWD-001", "OPS-FWD-002", "OPS-FWD-003", *IDEMPOTENCY}
SEED_42 = 42


def outputs(value: Any) -> dict[str, Any]:
    return {"outputs": {"seed": 1, "varying": value}}


def varying_for(seed: int) -> Callable[[Asked], dict[str, Any]]:
    numbers = itertools.count()
    return lambda asked: outputs(next(numbers) if asked.call.options.seed == seed else 0)


def order_of(raw: bytes) -> str:
    return " ".join(json.loads(raw))


def space_in(raw: bytes) -> int:
    return sum(raw.count(character) for character in b"\r\n\t")


def seed_in(raw: bytes) -> str:
    return str(json.loads(raw)["options"]["seed"])


def exponents_in(raw: bytes) -> bool:
    digits: list[str] = []
    json.loads(raw, parse_float=digits.append)
    return any("e" in text for text in digits)


def escapes_in(raw: bytes) -> int:
    return raw.count(b"\\u")


WRITTEN: dict[str, Callable[[bytes], Any]] = {
    "with its keys in another order": order_of,
    "with other white space": space_in,
    "with the seed written as 42.0": seed_in,
    "with fractions written with an exponent": exponents_in,
    "with its characters written as escapes": escapes_in,
}
"""By what is different, something that depends on how a request is written."""


@pytest.mark.parametrize("seed", [0, 1, 42, 2147483647])
async def test_seed_with_which_outputs_vary_is_found(seed: int) -> None:
    found = await KeyedModule(varying_for(seed)).unmet(*DETERMINISM[:2])
    assert [*found] == ["OPS-DET-001"]
    assert f"with the seed {seed}, " in found["OPS-DET-001"].actual


def of_scenario(asked: Asked) -> dict[str, Any]:
    return outputs(asked.call.scenario_id)


def of_headers(asked: Asked) -> dict[str, Any]:
    return outputs("traceparent" in asked.head.lower())


def of_ids(asked: Asked) -> dict[str, Any]:
    return outputs(asked.call.run_id)


@pytest.mark.parametrize(
    ("situation", "result"),
    [
        ("under another run_id and step_id, after calls with other seeds", of_ids),
        ("under another scenario_id", of_scenario),
        ("with the orchestrator's headers", of_headers),
        ("with an ample deadline", lambda asked: outputs(asked.call.options.deadline_s)),
        ("with a later minor version of the contract", lambda asked: outputs(asked.call.contract_version)),
        *((what, lambda asked, read=read: outputs(read(asked.raw))) for what, read in WRITTEN.items()),
    ],
)
async def test_situation_that_changes_outputs_is_named(situation: str, result: Callable[[Asked], dict[str, Any]]) -> None:
    found = await KeyedModule(result).unmet(*DETERMINISM[:2])
    assert [*found] == ["OPS-DET-001"]
    assert situation in found["OPS-DET-001"].actual
    assert "/outputs/varying: " in found["OPS-DET-001"].actual


async def test_call_that_repeats_the_one_before_and_differs_is_found() -> None:
    sent = [""]

    def repeated(asked: Asked) -> dict[str, Any]:
        sent.append(asked.head + asked.raw.decode().replace(asked.call.run_id, "").replace(asked.call.step_id, ""))
        return outputs(sent[-1] == sent[-2])

    found = await KeyedModule(repeated).unmet(*DETERMINISM[:2])
    assert "twice in a row" in found["OPS-DET-001"].actual


@pytest.mark.parametrize("seed", [0, 2147483647])
async def test_seed_that_is_refused_is_found(seed: int) -> None:
    def bounded(asked: Asked) -> dict[str, Any]:
        if asked.call.options.seed == seed:
            raise RefusalError(422, "INVALID_INPUT", "the seed is out of range")
        return {}

    found = await KeyedModule(bounded).unmet(*DETERMINISM)
    assert [*found] == ["OPS-DET-004"]
    assert re.fullmatch(rf"200 (with the seed|for the number) {seed}\b.*", found["OPS-DET-004"].expected)


async def test_error_that_changes_later_outputs_is_found() -> None:
    module = KeyedModule()
    module.result = lambda asked: outputs(module.refused if asked.call.options.seed == SEED_42 else 0)
    found = await module.unmet(*DETERMINISM)
    assert [*found] == ["OPS-DET-001"]
    assert re.search(r"after a request that was refused: /outputs/varying: \d+ became \d+$", found["OPS-DET-001"].actual)


async def test_call_that_changes_the_next_one_is_found() -> None:
    seeds = [0]

    def after(asked: Asked) -> dict[str, Any]:
        seeds.append(asked.call.options.seed)
        return outputs(seeds[-2] if seeds[-1] == 1 else 0)

    # The seed 1 follows the seed 0 each time, until calls overlap.
    assert [*await KeyedModule(after).unmet(*DETERMINISM)] == ["OPS-DET-003"]


async def test_evidence_that_varies_is_found_and_its_time_of_observation_is_not() -> None:
    numbers = itertools.count(10)
    item = {"id": "e1", "kind": "dataset", "title": "Census", "synthetic": True}
    timed = KeyedModule(lambda _: {"evidence": [{**item, "observed_at": f"2026-01-09T12:34:{next(numbers)}Z"}]})
    assert await timed.unmet(*DETERMINISM) == {}
    titled = await KeyedModule(lambda _: {"evidence": [{**item, "title": f"Census {next(numbers)}"}]}).unmet(*DETERMINISM[:2])
    assert [*titled] == ["OPS-DET-001"]
    assert "/evidence/0/title" in titled["OPS-DET-001"].actual


async def test_bytes_of_an_artifact_that_vary_are_found_behind_a_constant_hash() -> None:
    numbers = itertools.count(10)
    stated = {"name": "a.txt", "media_type": "text/plain", "size_bytes": 2, "sha256": "0" * 64}
    module = KeyedModule(lambda _: {"artifacts": [{**stated, "text": str(next(numbers))}]})
    assert [*await module.unmet(*DETERMINISM[:2])] == ["OPS-DET-002"]


async def test_seeds_of_calls_at_once_that_mix_are_found() -> None:
    module = KeyedModule(execute_s=0.01)

    def find(_: KeyedModule, asked: Asked) -> None:
        module.seed = asked.call.options.seed

    module.find, module.result = find, lambda _: outputs(module.seed)
    assert [*await module.unmet(*DETERMINISM)] == ["OPS-DET-003"]


async def test_random_module_is_blamed_for_its_randomness_alone() -> None:
    numbers = itertools.count()
    found = await KeyedModule(lambda _: outputs(next(numbers))).unmet("OPS-FWD-001", *DETERMINISM)
    verdicts = {name: one.verdict for name, one in found.items()}
    untestable = dict.fromkeys(("OPS-FWD-001", "OPS-DET-003"), Verdict.NOT_TESTABLE)
    assert verdicts == {"OPS-DET-001": Verdict.FAIL, **untestable}
    assert all("see OPS-DET-001" in found[name].actual for name in untestable)
    assert found["OPS-FWD-001"].requirement.remedy == found["OPS-DET-001"].requirement.remedy


async def test_random_module_that_does_not_call_itself_deterministic_is_compliant() -> None:
    numbers = itertools.count()
    report = await KeyedModule(lambda _: outputs(next(numbers)), profiles=()).report("OPS-FWD-001")
    assert [one.verdict for one in report.findings] == [Verdict.NOT_APPLICABLE]
    assert "outputs differ from call to call" in report.findings[0].actual


async def test_unknown_field_that_changes_outputs_is_still_found() -> None:
    found = await KeyedModule(lambda asked: outputs("x_unknown" in json.loads(asked.raw))).unmet("OPS-FWD-001")
    assert found["OPS-FWD-001"].verdict is Verdict.FAIL
    assert "/outputs/varying: false became true" in found["OPS-FWD-001"].actual


@pytest.mark.parametrize(("situation", "read"), WRITTEN.items(), ids=WRITTEN)
async def test_repeat_that_is_written_otherwise_is_the_same_request(situation: str, read: Callable[[bytes], Any]) -> None:
    found = await KeyedModule(body=lambda asked: (asked.fingerprint, read(asked.raw))).unmet(*IDEMPOTENCY)
    assert [*found] == ["OPS-IDM-001"]
    assert situation in found["OPS-IDM-001"].actual


def forgets_after_others(module: KeyedModule, asked: Asked) -> Any:
    return module.kept.get(asked.key) if [*module.kept][-1:] == [asked.key] else None


def forgets_after_errors(module: KeyedModule, asked: Asked) -> Any:
    refused, module.refused = module.refused, 0
    return None if refused else module.kept.get(asked.key)


def forgets_what_it_refused(module: KeyedModule, asked: Asked) -> Any:
    found = module.kept.get(asked.key)
    if found and found[0] != asked.fingerprint:
        del module.kept[asked.key]
    return found


def keeps_late(module: KeyedModule, asked: Asked) -> Any:
    previous, module.previous = module.previous, asked.raw
    return None if previous == asked.raw else module.kept.get(asked.key)


@pytest.mark.parametrize(
    ("situation", "find"),
    [
        ("at once", keeps_late),
        ("after other calls", forgets_after_others),
        ("after a request that was refused", forgets_after_errors),
        ("after the key was used with another body", forgets_what_it_refused),
    ],
)
async def test_answer_that_is_forgotten_is_found(situation: str, find: Callable[[KeyedModule, Asked], Any]) -> None:
    numbers = itertools.count()
    found = await KeyedModule(lambda _: outputs(next(numbers)), find=find).unmet("OPS-IDM-001")
    assert f"{situation}: another answer" in found["OPS-IDM-001"].actual


@pytest.mark.parametrize(
    ("what", "ignored"),
    [
        ("another seed", "options"),
        ("another scenario_id", "scenario_id"),
        ("other inputs", "inputs"),
        ("an earlier step in upstream", "upstream"),
    ],
)
async def test_other_body_under_a_used_key_is_found(what: str, ignored: str) -> None:
    def body(asked: Asked) -> Any:
        fields = {**json.loads(asked.raw), ignored: None}
        # The seed as the number that it is, however it is written.
        return fields | {"options": fields["options"] and {"seed": asked.call.options.seed}}

    found = await KeyedModule(body=body).unmet(*IDEMPOTENCY)
    assert [*found] == ["OPS-IDM-002"]
    assert found["OPS-IDM-002"].expected == f"422 for the same key with {what} in the body"


def under_the_same(part: str) -> Callable[[KeyedModule, Asked], Any]:
    """Finds the answer to any call with that part of the key."""

    def find(module: KeyedModule, asked: Asked) -> Any:
        wanted = getattr(asked.call, part)
        return next((kept for key, kept in module.kept.items() if wanted in key), None)

    return find


@pytest.mark.parametrize("part", ["run_id", "step_id"])
async def test_key_of_one_part_alone_is_found(part: str) -> None:
    found = await KeyedModule(find=under_the_same(part)).unmet(*IDEMPOTENCY)
    other = {"run_id": "step_id", "step_id": "run_id"}[part]
    assert [*found] == ["OPS-IDM-002"]
    assert found["OPS-IDM-002"].expected == f"an answer of its own to another body under another {other}"


async def test_deadline_that_is_no_part_of_the_body_is_found() -> None:
    found = await KeyedModule(body=lambda asked: {**json.loads(asked.raw), "options": {"seed": asked.call.options.seed}}).unmet(
        *IDEMPOTENCY
    )
    assert [*found] == ["OPS-IDM-002"]
    assert found["OPS-IDM-002"].expected == "422 for the same key with a deadline in the body"


@pytest.mark.parametrize(
    ("what", "joined"),
    [
        ("a run_id in capital letters", lambda run_id, step_id: (run_id.lower(), step_id)),
        ("a run_id and a step_id that join to the same text", lambda run_id, step_id: f"{run_id}-{step_id}"),
    ],
)
async def test_keys_that_are_taken_for_one_are_found(what: str, joined: Callable[[str, str], Any]) -> None:
    def find(module: KeyedModule, asked: Asked) -> Any:
        wanted = joined(*asked.key)
        return next((kept for key, kept in module.kept.items() if joined(*key) == wanted), None)

    found = await KeyedModule(find=find).unmet(*IDEMPOTENCY)
    assert [*found] == ["OPS-IDM-002"]
    assert found["OPS-IDM-002"].expected == f"an answer of its own to another body under {what}"


async def test_answer_to_another_body_under_another_key_is_found() -> None:
    def find(module: KeyedModule, asked: Asked) -> Any:
        exact, any_step = module.kept.get(asked.key), under_the_same("run_id")(module, asked)
        return exact or (any_step and (asked.fingerprint, any_step[1]))

    found = await KeyedModule(find=find).unmet(*IDEMPOTENCY)
    assert found["OPS-IDM-002"].actual == "the answer to the first body"


async def test_second_execution_of_a_running_call_is_found_and_one_after_the_other_is_not() -> None:
    numbers = itertools.count()

    def counted(_: Asked) -> dict[str, Any]:
        return outputs(next(numbers))

    assert [*await KeyedModule(counted, execute_s=0.05).unmet(*IDEMPOTENCY)] == ["OPS-IDM-003"]
    assert await KeyedModule(counted, execute_s=0.05, one_at_a_time=True).unmet(*IDEMPOTENCY) == {}


async def test_module_that_keeps_all_of_it_has_nothing_against_it() -> None:
    assert await KeyedModule(one_at_a_time=True).unmet(*DETERMINISM, *IDEMPOTENCY, "OPS-FWD-001") == {}


async def test_second_check_with_other_inputs_has_nothing_against_a_module_that_keeps_its_answers() -> None:
    module = KeyedModule()
    async with module.served() as url:
        for inputs in ({"country": "DR"}, {"country": "HT"}):
            report = await check(url, select=DEPENDS_ON_KEYS, inputs=inputs)
            assert [one.requirement.id for one in report.findings if one.verdict is Verdict.FAIL] == []
