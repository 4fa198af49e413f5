"""`GET /runs/{a}/diff/{b}`, and `GET /compare` of several runs."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from scripted_module import Gate, ScriptedModule, StartService, success
from stub_runs import StubRuns

from ops_orchestrator.runs.comparison.diff import RunDiff
from ops_orchestrator.runs.comparison.several import RunComparison
from ops_orchestrator.service.accept import preferred
from ops_orchestrator.service.app import create_app
from ops_orchestrator.settings import Settings


@pytest.fixture
async def client(stub_runs: StubRuns) -> AsyncIterator[httpx2.AsyncClient]:
    """A service on the runs of the stubs."""
    settings = Settings(modules_file=stub_runs.home / "modules.yaml", runs_dir=stub_runs.home / "runs", _env_file=None)
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ops.localhost") as client,
    ):
        yield client


def path(runs: StubRuns) -> str:
    return f"/runs/{runs.ids['baseline']}/diff/{runs.ids['vat-raised']}"


async def test_answer_is_json_as_the_document_describes_it(client: httpx2.AsyncClient, stub_runs: StubRuns) -> None:
    answer = await client.get(path(stub_runs))

    assert (answer.status_code, answer.headers["content-type"], answer.headers["vary"]) == (200, "application/json", "Accept")
    assert RunDiff.model_validate(answer.json()).as_json() == answer.json()
    assert answer.json()["cause"].startswith("policy-simulator is the first step whose result differs")


async def test_answer_is_text_for_a_caller_who_prefers_it(client: httpx2.AsyncClient, stub_runs: StubRuns) -> None:
    answer = await client.get(path(stub_runs), headers={"Accept": "text/plain"})

    assert (answer.headers["content-type"], answer.headers["vary"]) == ("text/plain; charset=utf-8", "Accept")
    assert answer.text.startswith("policy-simulator is the first step whose result differs")


async def test_tolerances_are_parameters(client: httpx2.AsyncClient, stub_runs: StubRuns) -> None:
    answers = [await client.get(path(stub_runs), params=params) for params in ({}, {"rel": "10", "abs": "100"})]
    exact, tolerant = (answer.json()["steps"][0]["outputs"] for answer in answers)

    assert exact["count"] == exact["beyond_tolerance"] == tolerant["count"]
    assert tolerant["beyond_tolerance"] == 0


@pytest.mark.parametrize(
    ("query", "pointer"), [("rel=-1", "rel"), ("abs=inf", "abs"), ("relative=1", "relative"), ("rel=1&rel=2", "rel")]
)
async def test_tolerance_that_cannot_be_used_is_refused(
    client: httpx2.AsyncClient, stub_runs: StubRuns, query: str, pointer: str
) -> None:
    answer = await client.get(f"{path(stub_runs)}?{query}")

    assert answer.status_code == 422
    assert [problem["pointer"].rpartition("/")[2] for problem in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("which", ["a", "b"])
async def test_run_that_does_not_exist_is_named(client: httpx2.AsyncClient, stub_runs: StubRuns, which: str) -> None:
    missing = "run_1999-01-09T12-34-56Z_ab12cd"
    runs = {"a": stub_runs.ids["baseline"], "b": stub_runs.ids["baseline"], which: missing}
    answer = await client.get(f"/runs/{runs['a']}/diff/{runs['b']}")

    assert answer.status_code == 404
    assert missing in answer.json()["detail"]


async def test_run_that_goes_on_is_compared_as_far_as_it_is(start_service: StartService) -> None:
    gate = Gate()
    beta = ScriptedModule("beta", answers=[success("beta"), gate])
    body: dict[str, Any] = {"scenario_id": "demo", "modules": ["alpha", "beta"], "inputs": {}}
    async with start_service(ScriptedModule(), beta) as service:
        whole = (await service.post("/plan_and_execute", json=body)).json()["run_id"]
        started = await service.post("/plan_and_execute", json=body, headers={"Prefer": "respond-async"})
        await gate.asked.wait()
        diff = (await service.get(f"/runs/{whole}/diff/{started.json()['run_id']}")).json()
        gate.opened.set()

    assert diff["notes"] == ["B is running: it is compared as far as it is."]
    assert [(step["id"], step["grade"]) for step in diff["steps"]] == [("alpha", "identical"), ("beta", "missing")]
    assert diff["cause"] == "beta is not completed yet in B."


async def test_every_difference_is_listed_when_all_are_wanted(start_service: StartService) -> None:
    answers = [success(outputs={f"key {n}": n + at for n in range(300)}) for at in range(2)]
    async with start_service(ScriptedModule(answers=[*answers])) as service:
        body = {"scenario_id": "demo", "modules": ["alpha"], "inputs": {}}
        a, b = [(await service.post("/plan_and_execute", json=body)).json()["run_id"] for _ in answers]
        brief, full = [(await service.get(f"/runs/{a}/diff/{b}{query}")).json() for query in ("", "?full=true")]

    assert [len(diff["steps"][0]["outputs"]["listed"]) for diff in (brief, full)] == [200, 300]


async def test_several_runs_are_compared_with_the_oldest_or_the_one_that_is_named(
    client: httpx2.AsyncClient, stub_runs: StubRuns
) -> None:
    ids = [stub_runs.ids[name] for name in ("vat-raised", "baseline", "failed")]
    oldest = (await client.get("/compare", params={"run": ids})).json()
    named = (await client.get("/compare", params={"run": ids, "ref": ids[0]})).json()

    assert [(run["name"], run["run"]["run_id"]) for run in oldest["runs"]] == [("A", ids[1]), ("B", ids[0]), ("C", ids[2])]
    assert [run["name"] for run in named["runs"]] == ["B", "A", "C"]
    assert RunComparison.model_validate(oldest).model_dump(mode="json", exclude_unset=True) == oldest
    assert [diff["b"]["run_id"] for diff in named["diffs"]] == [ids[1], ids[2]]
    assert "policy-simulator failed in C" in named["diffs"][1]["cause"]
    growth = next(figure for figure in named["figures"] if figure["key"] == "gdp_growth")
    assert [value["change"] is None for value in growth["values"]] == [True, False, True]
    assert {len(series["values"]) for series in named["series"]} == {3}


@pytest.mark.parametrize(
    ("name", "media_type", "begins"),
    [
        ("comparison.json", "application/json", '{"runs":'),
        ("figures.csv", "text/csv; charset=utf-8", "step,figure,label,unit,better,baseline ["),
        ("figures.md", "text/markdown; charset=utf-8", "| Run | Id |"),
        ("series.csv", "text/csv; charset=utf-8", "step,figure,label,unit,period,baseline ["),
    ],
)
async def test_comparison_of_several_runs_has_files(
    client: httpx2.AsyncClient, stub_runs: StubRuns, name: str, media_type: str, begins: str
) -> None:
    runs = {"run": [stub_runs.ids["baseline"], stub_runs.ids["vat-raised"]]}
    # A browser that follows a link to a file gets the file.
    answer = await client.get(f"/compare/{name}", params=runs, headers={"Accept": "text/html"})

    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.text.startswith(begins)


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("run={a}", 422, "1 different run is named; a comparison takes 2 to 20"),
        ("run={a}&run={a}", 422, "1 different run is named"),
        ("", 422, "run"),
        ("run={a}&run={b}&ref=other", 422, "'other' is not one of the runs that are compared"),
        ("run={a}&run={b}&runs=2", 422, "is not a parameter of this comparison"),
        ("run={a}&run=run_1999-01-09T12-34-56Z_ab12cd", 404, "run_1999-01-09T12-34-56Z_ab12cd"),
    ],
)
async def test_runs_that_cannot_be_compared_are_refused(
    client: httpx2.AsyncClient, stub_runs: StubRuns, query: str, status: int, said: str
) -> None:
    ids = {"a": stub_runs.ids["baseline"], "b": stub_runs.ids["vat-raised"]}
    answer = await client.get(f"/compare?{query.format(**ids)}")
    file = await client.get(f"/compare/figures.xlsx?run={ids['a']}&run={ids['b']}")

    assert (answer.status_code, said in answer.text) == (status, True)
    assert (file.status_code, "there are comparison.json, figures.csv" in file.json()["detail"]) == (404, True)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ([], "application/json"),
        (["*/*"], "application/json"),
        (["text/plain"], "text/plain"),
        (["TEXT/plain; charset=utf-8"], "text/plain"),
        (["text/*"], "text/plain"),
        (["text/html", "text/plain;q=0.5, */*;q=0.1"], "text/plain"),
        (["text/plain;q=0.5, application/json"], "application/json"),
        (["text/plain;q=0, */*"], "application/json"),
        (["*/*, application/json;q=0.1"], "text/plain"),
        (["image/png"], "application/json"),
        (["text/plain; q=much"], "text/plain"),
    ],
)
def test_media_type_is_the_one_that_the_caller_prefers(accept: list[str], media_type: str) -> None:
    assert preferred(accept, ("application/json", "text/plain")) == media_type
