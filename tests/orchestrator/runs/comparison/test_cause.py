"""Why results differ that scripted modules gave: module, adapter, earlier steps, or nothing that was recorded."""

from collections.abc import Sequence
from typing import Any

import httpx2
import pytest
from compared_runs import ADAPTED, Runs, alpha, found
from forged_run import change_json
from scripted_module import ScriptedModule, artifact, error_envelope, success

from ops_orchestrator.runs.comparison.diff import RunDiff


async def test_a_module_that_does_not_answer_the_same_twice_is_not_deterministic(runs: Runs) -> None:
    await runs.add(alpha(found(1), found(2)), times=2)

    assert runs.diff().cause == (
        "alpha is the first step whose result differs: "
        "nothing that went in differs, and its module is 1.2.3 in both runs: it is not deterministic, "
        "unless it uses the id of the run."
    )


async def test_a_module_that_states_no_version_may_have_changed(runs: Runs) -> None:
    registered = ADAPTED.replace("OUTPUT", "response.body.score").replace("upstream.alpha.outputs.kpis.growth", "seed")
    beta = ScriptedModule("beta", files={"/score": httpx2.Response(200, json={"score": 1})})
    await runs.add(beta, registered=registered)
    beta.files["/score"] = httpx2.Response(200, json={"score": 2})
    await runs.add(beta, registered=registered)

    assert "its module states no version: it may have changed, or it is not deterministic" in runs.diff().cause


async def test_another_version_of_a_module_is_the_cause_together_with_an_input(runs: Runs) -> None:
    await runs.add(alpha(found(1, version="1.2.0"), version="1.2.0"))
    await runs.add(alpha(found(2, version="1.3.0"), version="1.3.0"), inputs={"country": "DR", "rates": {"vat": 0.2}})
    diff = runs.diff()

    assert diff.cause == (
        'alpha is the first step whose result differs: its input rates differs (nothing → {"vat": 0.2}), '
        "and its module changed from 1.2.0 to 1.3.0."
    )
    assert [place.as_json() for place in diff.modules.listed] == [{"pointer": "/alpha/version", "a": "1.2.0", "b": "1.3.0"}]


async def test_an_input_of_the_step_alone_is_its_own(runs: Runs) -> None:
    for rate in (1, 2):
        await runs.add(alpha(found(rate)), modules=[{"module": "alpha", "inputs": {"rates": [rate]}}])
    diff = runs.diff()

    assert diff.cause.endswith("its input rates.0 differs (1 → 2).")
    assert [place.pointer for place in diff.plan.listed] == ["/alpha/inputs/rates/0"]


async def test_an_input_that_only_moved_between_scenario_and_step_does_not_differ(runs: Runs) -> None:
    await runs.add(alpha(found()), inputs={"rates": 1})
    await runs.add(alpha(found()), inputs={}, modules=[{"module": "alpha", "inputs": {"rates": 1}}])

    assert runs.diff().cause == "The same result, step by step."


@pytest.mark.parametrize(
    ("own", "differing"),
    [({}, "the input rates differs (1 → 2)"), ({"rates": 0}, "first's input rates differs (1 → 2)")],
)
async def test_an_input_without_effect_is_that_of_the_steps_that_are_given_it(
    runs: Runs, own: dict[str, Any], differing: str
) -> None:
    modules = [{"module": "alpha", "id": "first"}, {"module": "alpha", "id": "second", "inputs": own}]
    for rates in (1, 2):
        await runs.add(alpha(found()), modules=modules, inputs={"rates": rates})

    assert runs.diff().cause == f"The same result, step by step, although {differing}."


async def test_another_address_is_said_before_a_module_is_called_not_deterministic(runs: Runs) -> None:
    for value, host in ((1, "alpha"), (2, "other")):
        module = alpha(found(value))
        # The network knows a module by the first part of its host.
        served = ScriptedModule(host, health=module.health, answers=module.answers)
        registered = f"defaults: {{ ready_timeout_s: 600 }}\nmodules:\n  alpha: {{ url: 'http://{host}.test' }}\n"
        await runs.add(served, registered=registered, modules=["alpha"])

    assert "but it was answered by another address (http://alpha.test → http://other.test)" in runs.diff().cause


async def test_another_time_limit_that_a_module_was_told_is_found_in_its_request(runs: Runs) -> None:
    for value, timeout_s in ((1, 30), (2, 20)):
        registered = f"modules:\n  alpha: {{ url: http://alpha.test, ready_timeout_s: 600, timeout_s: {timeout_s} }}\n"
        await runs.add(alpha(found(value)), registered=registered)

    assert runs.diff().cause.endswith("it was given another time limit (29.0 → 19.0 seconds).")


async def adapted(runs: Runs, answers: Sequence[httpx2.Response], *outputs: str, **asked: Any) -> RunDiff:
    """Runs of alpha and of an adapted beta, of which alpha gave `answers` and the adapter yields `outputs`."""
    for answer, output in zip(answers, outputs, strict=True):
        beta = ScriptedModule("beta", files={"/score": httpx2.Response(200, json={"score": len(runs.ids)})})
        await runs.add(alpha(answer), beta, registered=ADAPTED.replace("OUTPUT", output), **asked)
    return runs.diff()


async def test_a_mapping_of_an_adapter_that_changed_is_named(runs: Runs) -> None:
    diff = await adapted(runs, [found(), found()], "1", "2")

    assert diff.cause == "beta is the first step whose result differs: its adapter changed (outputs)."
    assert [place.pointer for place in diff.modules.listed] == ["/beta/adapter/outputs"]


async def test_an_adapter_says_which_output_of_an_earlier_step_its_module_got(runs: Runs) -> None:
    diff = await adapted(runs, [found(0.02), found(0.03)], *["response.body.score"] * 2)

    assert diff.steps[1].why == "it reads what alpha found, where the output kpis.growth differs (0.02 → 0.03)"


@pytest.mark.parametrize(
    ("read", "why"),
    [
        ("$sum(upstream.alpha.outputs.rows.x)", "it reads what alpha found, where the output rows.1.x differs (1 → 2)"),
        ("upstream.alpha.raw.outputs.rows", "it reads what alpha answered, which differs"),
        ("$string(upstream)", "it reads what alpha found, where the output rows.1.x differs (1 → 2)"),
    ],
)
async def test_what_an_adapter_reads_may_stand_in_rows_or_be_more_than_an_output(runs: Runs, read: str, why: str) -> None:
    for last in (1, 2):
        answer = success(outputs={"rows": [{"x": 0}, {"x": last}]})
        beta = ScriptedModule("beta", files={"/score": httpx2.Response(200, json={"score": last})})
        registered = ADAPTED.replace("upstream.alpha.outputs.kpis.growth", read).replace("OUTPUT", "response.body.score")
        await runs.add(alpha(answer), beta, registered=registered)

    assert runs.diff().steps[1].why == why


async def test_an_earlier_output_that_an_adapter_does_not_read_is_not_the_cause(runs: Runs) -> None:
    answers = [success(outputs={"kpis": {"growth": 1, "gini": gini}}) for gini in (1, 2)]
    diff = await adapted(runs, answers, *["response.body.score"] * 2)

    assert diff.steps[1].why.startswith("nothing that went in differs")


async def test_an_input_that_an_adapter_does_not_read_is_not_the_cause(runs: Runs) -> None:
    for score in (1, 2):
        beta = ScriptedModule("beta", files={"/score": httpx2.Response(200, json={"score": score})})
        registered = ADAPTED.replace("OUTPUT", "response.body.score").replace("upstream.alpha.outputs.kpis.growth", "seed")
        inputs = {"country": "DR", "unread": score}
        await runs.add(beta, registered=registered, inputs=inputs, run_options={"seed": score})

    assert runs.diff().cause == "beta is the first step whose result differs: the seed differs (1 → 2)."


@pytest.mark.parametrize(("order", "moved"), [("dabc", "d"), ("bcda", "a"), ("acbd", "c")])
async def test_another_order_of_the_steps_is_said_and_the_plan_has_those_that_moved(runs: Runs, order: str, moved: str) -> None:
    for ids in ("abcd", order):
        await runs.add(alpha(found()), modules=[{"module": "alpha", "id": step} for step in ids])
    diff = runs.diff()

    assert diff.cause == "The same result, step by step, although the steps stand in another order."
    (place,) = diff.plan.listed
    assert (place.pointer, place.model_fields_set) == (f"/{moved}/step", {"pointer", "a", "b"})


EVIDENCE = [
    {"id": "growth", "kind": "dataset", "title": "Growth", "observed_at": "2026-01-01T00:00:00Z"},
    {"id": "prices", "kind": "dataset", "title": "Prices"},
]


async def test_when_evidence_was_observed_makes_results_equal_and_not_identical(runs: Runs) -> None:
    later = [EVIDENCE[0] | {"observed_at": "2026-02-01T00:00:00Z"}, EVIDENCE[1]]
    await runs.add(alpha(found(evidence=EVIDENCE), found(evidence=later)), times=2)

    assert runs.diff().grade == "equal"


async def test_evidence_that_is_dropped_gained_or_changed_is_listed(runs: Runs) -> None:
    changed = [EVIDENCE[0] | {"uri": "https://example.org"}, {"id": "rates", "kind": "document", "title": "Rates"}]
    await runs.add(alpha(found(evidence=EVIDENCE), found(evidence=changed)), times=2)
    (step,) = runs.diff().steps

    assert step.grade == "different"
    assert step.evidence.as_json() == {
        "gained": [{"id": "rates", "kind": "document", "title": "Rates"}],
        "dropped": [{"id": "prices", "kind": "dataset", "title": "Prices"}],
        "changed": [
            {
                "id": "growth",
                "places": {"count": 1, "beyond_tolerance": 1, "listed": [{"pointer": "/uri", "b": "https://example.org"}]},
            }
        ],
    }


async def test_evidence_in_another_order_is_another_result(runs: Runs) -> None:
    await runs.add(alpha(found(evidence=EVIDENCE), found(evidence=EVIDENCE[::-1])), times=2)
    (step,) = runs.diff().steps

    assert (step.grade, step.evidence.as_json()) == ("different", {"reordered": True})


@pytest.mark.parametrize(
    ("first", "second", "only"),
    [
        ({"evidence": EVIDENCE}, {"evidence": EVIDENCE[::-1]}, "in its evidence only (its outputs are the same): nothing"),
        (
            {"evidence": EVIDENCE},
            {"value": 0.0201},
            "in its evidence only (its outputs are the same within tolerance): nothing",
        ),
        (
            {"artifacts": [artifact("x.txt", b"1")]},
            {"artifacts": [artifact("x.txt", b"2")], "evidence": EVIDENCE},
            "in its artifacts and evidence only (its outputs are the same): nothing",
        ),
    ],
)
async def test_a_result_that_differs_in_no_output_is_said_to(
    runs: Runs, first: dict[str, Any], second: dict[str, Any], only: str
) -> None:
    await runs.add(alpha(found(**first), found(**second)), times=2)

    assert runs.diff(rel=0.1).cause.startswith(f"alpha is the first step whose result differs, {only}")


async def test_a_result_that_somebody_changed_is_not_put_down_to_the_module(runs: Runs) -> None:
    await runs.add(alpha(found(), found(evidence=EVIDENCE)), times=2)
    change_json(runs.store / runs.ids[1], "results.json", lambda results: results["steps"]["alpha"]["outputs"].clear())

    assert runs.diff().cause.endswith("its result in B is not the recorded one (`ops runs verify` says more).")


async def test_warnings_alone_leave_results_equal(runs: Runs) -> None:
    await runs.add(alpha(found(warnings=["old", "both"]), found(warnings=["both", "new", "new"])), times=2)
    (step,) = runs.diff().steps

    assert step.grade == "equal"
    assert step.warnings.as_json() == {"gained": ["new", "new"], "dropped": ["old"]}


async def test_artifacts_that_one_run_has_and_those_that_lie_about_their_type_are_listed(runs: Runs) -> None:
    first = [artifact("a.txt", b"1"), artifact("c.json", b"{", "application/json"), artifact("d.png", b"1", "image/png")]
    second = [artifact("b.txt", b"1"), artifact("c.json", b"[", "application/json"), artifact("d.png", b"2", "image/png")]
    await runs.add(alpha(found(artifacts=first), found(artifacts=second)), times=2)
    (step,) = runs.diff().steps

    kinds = {each.name: each.kind for each in step.artifacts}
    assert kinds == {"a.txt": "only in A", "b.txt": "only in B", "c.json": "text", "d.png": "binary"}


@pytest.mark.parametrize(("other", "grade"), [(b'{"x": 1.0000001}', "within tolerance"), (b'{"x": 2}', "different")])
async def test_a_json_artifact_may_differ_within_tolerance(runs: Runs, other: bytes, grade: str) -> None:
    answers = (found(artifacts=[artifact("x.json", content, "application/json")]) for content in (b'{"x": 1}', other))
    await runs.add(alpha(*answers), times=2)

    assert runs.diff(rel=1e-3).grade == grade


async def test_artifacts_of_which_only_hashes_were_kept_are_compared_by_them(runs: Runs) -> None:
    answers = (found(artifacts=[artifact("x.txt", content)]) for content in (b"1", b"2"))
    await runs.add(alpha(*answers), times=2, run_options={"save_artifacts": False})
    (step,) = runs.diff().steps

    assert step.artifacts[0].note == "not compared: that of A was not kept, only its hash"


async def test_kept_artifacts_are_equal_to_those_of_which_only_the_hash_was_kept(runs: Runs) -> None:
    module = alpha(found(artifacts=[artifact("x.txt", b"1")]))
    await runs.add(module)
    await runs.add(module, run_options={"save_artifacts": False})

    assert runs.diff().grade == "equal"


async def test_two_runs_that_failed_alike_have_nothing_to_compare(runs: Runs) -> None:
    await runs.add(alpha(httpx2.Response(422, json=error_envelope())), times=2)
    diff = runs.diff()

    assert diff.grade == "missing"
    assert diff.cause.startswith("alpha failed in both: MODULE_ERROR, alpha answers INVALID_INPUT")


async def test_text_from_elsewhere_does_not_reach_a_sentence_with_its_control_characters(runs: Runs) -> None:
    await runs.add(alpha(found(1)))
    await runs.add(alpha(found(2)), inputs={"country": "\x1b[2J\u202e"})

    assert runs.diff().cause.isprintable()
