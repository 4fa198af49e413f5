"""The cause of a difference is only what was sent to a module or read for it; `beta` answers differently each time."""

from typing import Any

import httpx2
import pytest
from compared_runs import ADAPTED, Runs, alpha, found
from scripted_module import ScriptedModule, success

from ops_orchestrator.runs.comparison.places import FULL, SCREEN, Limits

UNKNOWN = "nothing that went in differs, and its module states no version: it may have changed, or it is not deterministic"


async def add(runs: Runs, read: str, answer: httpx2.Response, *, output: str = "response.body.score", **asked: Any) -> None:
    """Run alpha, which gives `answer`, and beta, which is sent what the expression `read` yields."""
    beta = ScriptedModule("beta", files={"/score": httpx2.Response(200, json={"score": len(runs.ids)})})
    registered = ADAPTED.replace("upstream.alpha.outputs.kpis.growth", read).replace("OUTPUT", output)
    await runs.add(alpha(answer), beta, registered=registered, **asked)


def why(runs: Runs, **options: Any) -> str:
    return runs.diff(**options).steps[1].why


def outputs(value: float) -> dict[str, Any]:
    return {"kpis": {"growth": 1, "other": value}, "by_year": {"2025": 1, "2026": value}, "rows": [{"x": 1, "y": value}]}


@pytest.mark.parametrize(
    "read",
    [
        "upstream.alpha.outputs.by_year.`2025`",
        "upstream.alpha.outputs.rows.x",
        "upstream.alpha.outputs.rows[0].x",
        "upstream.alpha.evidence.title",
        "upstream.alpha.artifacts.name",
        "upstream.alpha.module",
        "$count($keys(upstream.alpha.outputs.kpis))",
        "**.growth",
    ],
)
async def test_what_differs_beside_what_an_adapter_reads_is_not_the_cause(runs: Runs, read: str) -> None:
    evidence = [{"id": "e", "kind": "dataset", "title": "Growth"}]
    for value in (1, 2):
        await add(runs, f"$string({read})", success(outputs=outputs(value), evidence=evidence))

    assert why(runs).startswith(UNKNOWN)


async def test_a_year_that_an_adapter_does_not_read_is_not_the_cause(runs: Runs) -> None:
    for rate, code in ((0.18, "DR"), (0.2, "DO")):
        rates = {"2025": 0.18, "2026": rate}
        await add(runs, "inputs.rates.`2025`", found(), inputs={"country": code, "rates": rates})

    assert why(runs) == 'its input country differs ("DR" → "DO")'


async def test_what_only_the_mapping_of_the_answer_reads_is_the_cause(runs: Runs) -> None:
    for value in (1, 2):
        await add(runs, "1", success(outputs=outputs(value)), output="upstream.alpha.outputs.kpis.other")

    assert why(runs) == "it reads what alpha found, where the output kpis.other differs (1 → 2)"


@pytest.mark.parametrize("limits", [SCREEN, FULL, Limits(places=1)])
@pytest.mark.parametrize(
    ("read", "expected"),
    [
        ("kpis.same", UNKNOWN),
        ("kpis.k299", "it reads what alpha found, where the output kpis.k299 differs (299 → 300)"),
        (
            "kpis",
            "it reads what alpha found, where the outputs kpis.k000 (0 → 1), kpis.k001 (1 → 2) and 298 more differ",
        ),
    ],
)
async def test_the_cause_does_not_depend_on_how_much_is_listed(runs: Runs, read: str, expected: str, limits: Limits) -> None:
    for more in (0, 1):
        figures = {"same": 2} | {f"k{number:03}": number + more for number in range(300)}
        await add(runs, f"upstream.alpha.outputs.{read}", success(outputs={"kpis": figures}))

    assert why(runs, limits=limits) == expected


async def test_the_cause_is_found_among_thousands_of_inputs(runs: Runs) -> None:
    for more in (0, 1):
        inputs = {"a": [number + more for number in range(3000)], "country": more}
        await add(runs, "1", found(), inputs=inputs)

    assert why(runs) == "its input country differs (0 → 1)"


async def test_differences_beyond_the_tolerance_are_named_first(runs: Runs) -> None:
    for first, last in ((1, 1), (1.001, 2)):
        await add(runs, "upstream.alpha.outputs.kpis", success(outputs={"kpis": {"a": first, "b": first, "c": last}}))

    assert "the outputs kpis.c (1 → 2), kpis.a (1 → 1.001) and 1 more differ" in why(runs, rel=0.01)


@pytest.mark.parametrize("content", [None, "[1]", "{"])
async def test_a_run_that_does_not_say_how_its_modules_were_called_is_compared_by_what_was_sent(
    runs: Runs, content: str | None
) -> None:
    for unread in (1, 2):
        await add(runs, "1", found(), inputs={"country": "DR", "unread": unread})
    file = runs.store / runs.ids[1] / "modules.json"
    file.unlink()
    if content is not None:
        file.write_text(content)
    diff = runs.diff()

    assert diff.steps[1].why == UNKNOWN
    assert not diff.modules.count


@pytest.mark.parametrize(
    ("read", "part", "expected"),
    [
        ("upstream.alpha.warnings", "warnings", "it reads the warnings of alpha, which differ"),
        ("upstream.alpha.evidence.title", "title", "it reads the evidence of alpha, which differs"),
        (
            "upstream.alpha.evidence.observed_at",
            "observed_at",
            "it reads the evidence of alpha, which was observed at another time",
        ),
        ("run_id", "none", f"{UNKNOWN}, unless it uses the id of the run"),
        ("scenario_id", "scenario", 'the id of its scenario differs ("one" → "two")'),
    ],
)
async def test_what_else_an_adapter_reads_is_named_in_words(runs: Runs, read: str, part: str, expected: str) -> None:
    for name, second in (("one", 1), ("two", 2)):
        item = {"id": "e", "kind": "dataset", "title": "Growth", "observed_at": "2026-01-01T00:00:01Z"}
        item |= {"title": name} if part == "title" else {}
        item |= {"observed_at": f"2026-01-01T00:00:0{second}Z"} if part == "observed_at" else {}
        answer = found(evidence=[item], warnings=[name] if part == "warnings" else [])
        await add(runs, read, answer, scenario_id=name if part == "scenario" else "demo")

    assert why(runs) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"title": "Other"}, "it is given the evidence of alpha, which differs"),
        (
            {"observed_at": "2026-01-01T00:00:02Z"},
            "it is given the evidence of alpha, which was observed at another time",
        ),
    ],
)
async def test_evidence_alone_that_a_module_of_the_contract_is_given_is_named(
    runs: Runs, fields: dict[str, Any], expected: str
) -> None:
    item = {"id": "e", "kind": "dataset", "title": "Growth", "observed_at": "2026-01-01T00:00:01Z"}
    for score, evidence in enumerate((item, item | fields)):
        beta = ScriptedModule("beta", answers=[success("beta", outputs={"score": score})])
        await runs.add(alpha(found(evidence=[evidence])), beta)

    assert why(runs) == expected


async def test_another_scenario_with_the_same_inputs_is_named_when_nothing_else_differs(runs: Runs) -> None:
    for value, name in enumerate(("base", "reform")):
        await runs.add(alpha(found(value)), scenario_id=name)

    assert runs.diff().cause.endswith('the id of its scenario differs ("base" → "reform").')


async def test_a_value_that_was_sent_is_named_when_nothing_explains_it(runs: Runs) -> None:
    for timeout_s in (30, 20):
        beta = ScriptedModule("beta", files={"/score": httpx2.Response(200, json={"score": timeout_s})})
        registered = ADAPTED.replace("retries: 0", f"retries: 0, timeout_s: {timeout_s}").replace("OUTPUT", "response.body")
        await runs.add(
            alpha(found()), beta, registered=registered.replace("upstream.alpha.outputs.kpis.growth", "options.deadline_s")
        )

    assert why(runs) == "the sent value growth differs (29.0 → 19.0)"
