import json
import shutil
from pathlib import Path

import httpx2
import pytest
from run_records import make_folders
from scripted_module import Gate, ScriptedModule, StartService, artifact, success

SCENARIO = {"scenario_id": "demo", "modules": ["alpha"]}


async def run_id_of(service: httpx2.AsyncClient, **fields: object) -> str:
    return str((await service.post("/plan_and_execute", json={**SCENARIO, **fields})).json()["run_id"])


async def test_documents_of_a_run_are_served_as_they_stand_in_its_folder(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule()) as service:
        run_id = await run_id_of(service)
        answers = {name: await service.get(f"/runs/{run_id}{path}") for name, path in DOCUMENTS.items()}
    for name, answer in answers.items():
        assert answer.content == (tmp_path / "runs" / run_id / name).read_bytes()
    assert answers["logs.jsonl"].headers["content-type"] == "application/x-ndjson"
    assert answers["run.json"].headers["content-type"] == "application/json"


DOCUMENTS = {"run.json": "", "results.json": "/results", "logs.jsonl": "/logs"}


async def test_artifact_is_served_with_its_media_type_and_kept_from_running(start_service: StartService) -> None:
    page = artifact("deep/page 1.html", b"<script>alert(1)</script>", "text/html")
    async with start_service(ScriptedModule(answers=[success(artifacts=[page])])) as service:
        run_id = await run_id_of(service)
        answer = await service.get(f"/runs/{run_id}/artifacts/alpha/deep/page 1.html")
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-type"] == "text/html"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none';")
    assert answer.headers["etag"] == f'"{page["sha256"]}"'


async def test_artifact_whose_file_is_gone_is_404_and_says_so(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule(answers=[success(artifacts=[artifact("a.txt")])])) as service:
        run_id = await run_id_of(service)
        (tmp_path / "runs" / run_id / "artifacts" / "alpha" / "a.txt").unlink()
        answer = await service.get(f"/runs/{run_id}/artifacts/alpha/a.txt")
    assert (answer.status_code, "is gone" in answer.json()["detail"]) == (404, True)


@pytest.mark.parametrize("path", ["../secret", "../../../../../../etc/passwd", "/etc/passwd", "artifacts/linked/a.txt", "link"])
async def test_artifact_whose_path_leads_out_of_its_run_is_404_and_not_served(
    start_service: StartService, tmp_path: Path, path: str
) -> None:
    async with start_service(ScriptedModule(answers=[success(artifacts=[artifact("a.txt")])])) as service:
        run_id = await run_id_of(service)
        folder = tmp_path / "runs" / run_id
        (tmp_path / "runs" / "secret").write_text("secret")
        (folder / "link").symlink_to("../secret")
        (folder / "artifacts" / "linked").symlink_to("alpha")
        results = (folder / "results.json").read_text()
        (folder / "results.json").write_text(results.replace('"artifacts/alpha/a.txt"', json.dumps(path)))
        answer = await service.get(f"/runs/{run_id}/artifacts/alpha/a.txt")
    assert (answer.status_code, "no file for 'a.txt' that can be served" in answer.json()["detail"]) == (404, True)


@pytest.mark.parametrize(
    "path",
    [
        "/runs/run_2026-01-09T12-34-56Z_ab12cd",
        "/runs/..%2f..%2fetc",
        "/runs/nope/results",
        "/runs/nope/logs",
        "/runs/nope/artifacts/alpha/a.txt",
        "/nowhere",
    ],
)
async def test_what_is_not_there_is_a_404_problem(start_service: StartService, path: str) -> None:
    async with start_service(ScriptedModule()) as service:
        answer = await service.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert {"type", "title", "status", "detail", "instance"} <= set(answer.json())


async def test_run_that_is_not_there_is_answered_with_where_runs_are_listed(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        answer = await service.get("/runs/nope")
    assert answer.json()["detail"] == "'nope' is not the id of a run. GET /runs lists what there is."


async def test_root_is_answered_with_where_the_service_describes_itself(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        answer = await service.get("/")
    assert answer.status_code == 404
    assert (
        answer.json()["detail"] == "There is nothing at /; /docs shows what there is in a browser, /openapi.json to programs."
    )


async def test_wrong_method_is_a_405_problem_with_allow(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        answer = await service.get("/plan_and_execute")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.headers["content-type"] == "application/problem+json"


PARAMETERS = (
    "limit",
    "cursor",
    "scenario_id",
    "status",
    "label",
    "module",
    "since",
    "until",
    "fingerprint",
    "reproduces",
    "sweep",
)


async def test_list_of_runs_is_newest_first_with_filters_and_cursor(start_service: StartService) -> None:
    alpha = ScriptedModule(answers=[success(), httpx2.Response(500), success()])
    async with start_service(alpha) as service:
        ids = [await run_id_of(service, scenario_id=name) for name in ("a", "b", "a")]
        everything = (await service.get("/runs", params={"limit": 2})).json()
        rest = (await service.get("/runs", params={"limit": 2, "cursor": everything["next_cursor"]})).json()
        of_a = (await service.get("/runs", params={"scenario_id": "a"})).json()["runs"]
        failed = (await service.get("/runs", params={"status": "failed"})).json()["runs"]
    assert {run["run_id"] for run in everything["runs"] + rest["runs"]} == set(ids)
    assert rest["next_cursor"] is None
    assert {run["run_id"] for run in of_a} == {ids[0], ids[2]}
    assert [(run["run_id"], run["status"]) for run in failed] == [(ids[1], "failed")]


async def test_list_of_runs_is_filtered_by_module_time_and_fingerprint(start_service: StartService) -> None:
    async with start_service(ScriptedModule(), ScriptedModule("beta")) as service:
        alpha, beta = [await run_id_of(service, modules=[name]) for name in ("alpha", "beta")]
        record = (await service.get(f"/runs/{alpha}")).json()
        fingerprint = record["fingerprints"]["recipe"][:8]
        found = {
            query: [run["run_id"] for run in (await service.get(f"/runs?{query}")).json()["runs"]]
            for query in ("module=beta", f"fingerprint={fingerprint}", "since=2100-01-01", "until=2100-01-01T00:00:00%2B02:00")
        }
    assert list(found.values()) == [[beta], [alpha], [], [beta, alpha]]


async def test_list_of_runs_is_filtered_by_several_labels(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule()) as service:
        run_id = await run_id_of(service)
        file = tmp_path / "runs" / run_id / "run.json"
        record = json.loads(file.read_bytes())
        record["request"]["run_options"]["labels"] = {"study": "vat", "team": "x"}
        file.write_text(json.dumps(record))
        await service.get("/runs")
        (listed,) = (await service.get("/runs?label=study=vat&label=team")).json()["runs"]
        other = (await service.get("/runs?label=study=vat&label=team=y")).json()["runs"]
    assert (listed["labels"], other) == ({"study": "vat", "team": "x"}, [])


async def test_list_of_runs_says_that_it_is_complete(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        assert (await service.get("/runs")).json() == {"runs": [], "next_cursor": None, "complete": True}


async def test_run_left_among_many_that_no_index_knows_is_ended_and_listed(start_service: StartService, tmp_path: Path) -> None:
    left, *_ = make_folders(tmp_path / "runs", 501)
    record = tmp_path / "runs" / left / "run.json"
    record.write_text(record.read_text().replace('"completed"', '"running"'))
    (tmp_path / "runs" / left / "logs.jsonl").touch()
    async with start_service(ScriptedModule()) as service:
        while not (answer := (await service.get("/runs?status=interrupted")).json())["runs"]:
            pass
    assert [run["run_id"] for run in answer["runs"]] == [left]


async def test_runs_that_ended_before_the_retention_are_deleted(start_service: StartService, tmp_path: Path) -> None:
    (run_id,) = make_folders(tmp_path / "runs", 1)
    record = tmp_path / "runs" / run_id / "run.json"
    record.write_text(record.read_text().replace('"finished_at":null', '"finished_at":"2026-01-09T12:00:00Z"'))
    async with start_service(ScriptedModule(), retention_days=30) as service:
        while (await service.get("/runs")).json()["runs"]:
            pass
    assert not record.exists()


async def test_record_that_says_nothing_of_made_up_figures_is_listed(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule()) as service:
        run_id = await run_id_of(service)
        file = tmp_path / "runs" / run_id / "run.json"
        record = json.loads(file.read_bytes())
        del record["steps"][0]["synthetic"]
        file.write_text(json.dumps(record))
        (listed,) = (await service.get("/runs")).json()["runs"]
    assert (listed["run_id"], listed["synthetic"]) == (run_id, False)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("stauts=failed", "is not a parameter of this list; did you mean 'status'?"),
        (
            "x=1",
            f"is not a parameter of this list; it takes {', '.join(PARAMETERS)}",
        ),
        ("status=failed&status=completed", "is given more than once"),
    ],
)
async def test_parameter_that_would_be_passed_over_is_a_422_problem(
    start_service: StartService, query: str, detail: str
) -> None:
    async with start_service(ScriptedModule()) as service:
        answer = await service.get(f"/runs?{query}")
    assert (answer.status_code, answer.json()["errors"]) == (422, [{"pointer": query.partition("=")[0], "detail": detail}])


async def test_parameter_is_judged_in_plain_words(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        answer = await service.get("/runs?limit=0")
    assert answer.json()["errors"] == [{"pointer": "limit", "detail": "must be greater than or equal to 1, not '0'"}]


async def test_number_that_is_not_written_in_digits_is_named(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        answer = await service.get("/runs?limit=1_0")
    assert answer.json()["errors"] == [{"pointer": "limit", "detail": "must be a whole number written in digits, not '1_0'"}]


async def test_path_with_a_slash_too_many_is_not_redirected(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        answer = await service.get("/runs/", headers={"Host": "elsewhere.localhost"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=many",
        "limit=1_0",
        "limit=%2B5",
        "limit=%205",
        "limit=1.0",
        "limit=",
        "status=done",
        "cursor=zzz",
        "since=soon",
    ],
)
async def test_query_that_cannot_be_used_is_a_422_problem_naming_the_parameter(start_service: StartService, query: str) -> None:
    async with start_service(ScriptedModule()) as service:
        answer = await service.get(f"/runs?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == query.partition("=")[0]


async def test_modules_are_listed_with_their_live_health(start_service: StartService) -> None:
    beta = ScriptedModule("beta", health=[httpx2.ConnectError("Connection refused")])
    async with start_service(ScriptedModule(), beta) as service:
        alpha_told, beta_told = (await service.get("/modules")).json()["modules"]
    assert (alpha_told["name"], alpha_told["ready"], alpha_told["version"]) == ("alpha", True, "1.2.3")
    assert alpha_told["contract_versions"] == ["1.0"]
    assert (beta_told["ready"], beta_told["code"]) == (False, "MODULE_UNREACHABLE")
    assert "http://beta.test/health" in beta_told["reason"]


async def test_health_says_that_the_orchestrator_lives(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        answer = await service.get("/health")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["module"]) == ("ok", "orchestrator")


@pytest.mark.parametrize("path", ["/health", "/ready"])
async def test_probe_by_head_is_answered_without_a_body(start_service: StartService, path: str) -> None:
    async with start_service(ScriptedModule()) as service:
        answer = await service.head(path)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("durability", ["sync", "os"])
async def test_readiness_says_how_durable_runs_are(start_service: StartService, durability: str) -> None:
    async with start_service(ScriptedModule(), durability=durability) as service:
        assert (await service.get("/ready")).json() == {"status": "ready", "durability": durability, "read_only": False}


async def test_service_whose_store_is_gone_is_alive_but_not_ready(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule()) as service:
        assert (await service.get("/ready")).status_code == 200
        shutil.rmtree(tmp_path / "runs")
        ready, health = await service.get("/ready"), await service.get("/health")
        run = await service.post("/plan_and_execute", json=SCENARIO)
    assert (ready.status_code, health.status_code) == (503, 200)
    assert "No such file or directory" in ready.json()["reason"]
    assert (run.status_code, run.json()["type"]) == (503, "urn:openpolicystack:problem:store-unavailable")


async def test_crate_of_a_run_is_served_when_the_run_is_over(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate])) as service:
        started = await service.post("/plan_and_execute", json=SCENARIO, headers={"Prefer": "respond-async"})
        address = f"{started.headers['location']}/ro-crate-metadata.json"
        await gate.asked.wait()
        early = await service.get(address)
        await service.post(f"{started.headers['location']}/cancel")
        crate = await service.get(address)
        again = await service.get(address, headers={"If-None-Match": crate.headers["etag"]})
        unknown = await service.get("/runs/run_2026-01-09T12-34-56Z_ab12cd/ro-crate-metadata.json")
    assert (early.status_code, unknown.status_code, again.status_code) == (409, 404, 304)
    assert crate.headers["content-type"] == "application/ld+json"
    assert "https://w3id.org/ro/wfrun/provenance/0.5" in {entity["@id"] for entity in crate.json()["@graph"]}
