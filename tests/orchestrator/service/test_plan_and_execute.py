import asyncio
import json
import re
from pathlib import Path
from typing import Any, get_args

import httpx2
import pytest
from scripted_module import EVIDENCE, Gate, ReadRun, ScriptedModule, StartService, artifact, error_envelope, success

from ops_orchestrator.runs.events import Status
from ops_orchestrator.service.run_answer import HTTP_STATUS

RUN_ID = re.compile(r"run_\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}Z_[0-9a-f]{6}")


async def test_run_of_two_modules_answers_with_exactly_the_fields_of_the_seed(
    start_service: StartService, request_body: dict[str, Any]
) -> None:
    alpha = ScriptedModule(answers=[success(artifacts=[artifact("kpis.json"), artifact("plot.png")], evidence=EVIDENCE)])
    beta = ScriptedModule("beta", answers=[success("beta", evidence=EVIDENCE)])
    async with start_service(alpha, beta) as service:
        response = await service.post("/plan_and_execute", json=request_body)
    body = response.json()
    assert response.status_code == 200
    assert RUN_ID.fullmatch(body["run_id"])
    assert {name: body[name] for name in ("status", "plan", "results")} == {
        "status": "completed",
        "plan": [
            {"step": 1, "module": "alpha", "action": "execute"},
            {"step": 2, "module": "beta", "action": "execute"},
        ],
        "results": {
            "alpha": {"kpis": {"growth": 0.02}, "artifacts": ["kpis.json", "plot.png"]},
            "beta": {"kpis": {"growth": 0.02}, "artifacts": []},
        },
    }
    assert body["artifacts_path"].endswith(f"/runs/{body['run_id']}/")
    assert body["logs_path"] == f"{body['artifacts_path']}logs.jsonl"
    assert set(body) == {"run_id", "status", "plan", "results", "artifacts_path", "logs_path"}


async def test_warnings_of_modules_stand_in_the_answer_by_step(
    start_service: StartService, request_body: dict[str, Any]
) -> None:
    alpha = ScriptedModule(answers=[success(evidence=EVIDENCE)])
    beta = ScriptedModule("beta", answers=[success("beta", warnings=["half of the data is missing", "and old"])])
    async with start_service(alpha, beta) as service:
        body = (await service.post("/plan_and_execute", json=request_body)).json()
    without_evidence = "no evidence: nothing says what its figures rest on"
    assert body["warnings"] == {"beta": ["half of the data is missing", "and old", without_evidence]}


async def test_list_of_runs_counts_warnings_and_marks_made_up_figures(
    start_service: StartService, request_body: dict[str, Any]
) -> None:
    made_up = {"id": "e", "kind": "dataset", "title": "Figures for a demonstration", "synthetic": True}
    alpha = ScriptedModule(answers=[success(warnings=["careful"], evidence=[made_up]), success(evidence=EVIDENCE)])
    beta = ScriptedModule("beta", answers=[success("beta", warnings=["one"]), success("beta", evidence=EVIDENCE)])
    async with start_service(alpha, beta) as service:
        for _ in range(2):
            await service.post("/plan_and_execute", json=request_body)
        listed = (await service.get("/runs")).json()["runs"]
        record = (await service.get(f"/runs/{marked(listed)['run_id']}")).json()
    assert sorted((run["warnings"], run["synthetic"]) for run in listed) == [(0, False), (3, True)]
    assert [step["synthetic"] for step in record["steps"]] == [True, True]


def marked(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return next(run for run in runs if run["synthetic"])


async def test_paths_in_the_answer_are_as_in_the_seed_when_the_runs_folder_is_the_default(
    start_service: StartService, request_body: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    async with start_service(ScriptedModule(), ScriptedModule("beta"), runs_dir=Path("./runs")) as service:
        body = (await service.post("/plan_and_execute", json=request_body)).json()
    assert body["artifacts_path"] == f"runs/{body['run_id']}/"
    assert body["logs_path"] == f"runs/{body['run_id']}/logs.jsonl"


async def test_modules_are_asked_in_order_with_the_contract_s_request(
    start_service: StartService, request_body: dict[str, Any]
) -> None:
    alpha, beta = ScriptedModule(), ScriptedModule("beta")
    async with start_service(alpha, beta) as service:
        run_id = (await service.post("/plan_and_execute", json=request_body)).json()["run_id"]
    asked = json.loads(beta.executed[0].content)
    assert asked == {
        "contract_version": "1.0",
        "run_id": run_id,
        "step_id": "beta",
        "scenario_id": "demo",
        "action": "execute",
        "inputs": {"country": "DR"},
        "upstream": {"alpha": {"module": "alpha", "outputs": {"kpis": {"growth": 0.02}}, "artifacts": [], "evidence": []}},
        "options": {"seed": 42, "deadline_s": 59.0},
    }
    assert json.loads(alpha.executed[0].content)["upstream"] == {}


async def test_module_called_twice_has_its_own_inputs_results_and_artifacts_by_step_id(
    start_service: StartService, request_body: dict[str, Any], read_run: ReadRun, tmp_path: Path
) -> None:
    alpha = ScriptedModule(
        answers=[success(outputs={"gdp": gdp}, artifacts=[artifact("kpis.txt", str(gdp).encode())]) for gdp in (1, 2)]
    )
    after = {"module": "alpha", "id": "after", "action": "execute", "inputs": {"tax": {"vat": 0.2}}}
    request_body |= {"modules": [{"module": "alpha", "id": "before"}, after], "inputs": {"tax": {"vat": 0.18, "cit": 0.27}}}
    async with start_service(alpha) as service:
        body = (await service.post("/plan_and_execute", json=request_body)).json()
    first, second = (json.loads(request.content) for request in alpha.executed)
    assert (first["step_id"], first["inputs"]) == ("before", {"tax": {"vat": 0.18, "cit": 0.27}})
    assert (second["step_id"], second["inputs"]) == ("after", {"tax": {"vat": 0.2, "cit": 0.27}})
    assert second["upstream"]["before"]["outputs"] == {"gdp": 1}
    expected = {"before": {"gdp": 1, "artifacts": ["kpis.txt"]}, "after": {"gdp": 2, "artifacts": ["kpis.txt"]}}
    assert body["results"] == expected
    folder = tmp_path / "runs" / body["run_id"]
    assert [(folder / "artifacts" / step / "kpis.txt").read_text() for step in ("before", "after")] == ["1", "2"]
    assert sorted(path.name for path in (folder / "steps").iterdir()) == ["1-before", "2-after"]
    assert read_run(body["run_id"], "run.json")["request"]["modules"] == request_body["modules"]


async def test_inputs_of_a_step_are_part_of_the_recipe(
    start_service: StartService, request_body: dict[str, Any], read_run: ReadRun
) -> None:
    recipes = set()
    async with start_service(ScriptedModule()) as service:
        for vat in (0.18, 0.2, 0.18):
            request_body["modules"] = [{"module": "alpha", "inputs": {"vat": vat}}]
            run_id = (await service.post("/plan_and_execute", json=request_body)).json()["run_id"]
            recipes.add(read_run(run_id, "run.json")["fingerprints"]["recipe"])
    assert len(recipes) == 2


async def test_unknown_action_is_422_with_the_known_ones(start_service: StartService, request_body: dict[str, Any]) -> None:
    request_body["modules"] = [{"module": "alpha", "action": "exceute"}]
    async with start_service(ScriptedModule()) as service:
        response = await service.post("/plan_and_execute", json=request_body)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["pointer"] == "/modules/0/action"
    assert error["detail"] == "alpha has no action 'exceute'; did you mean 'execute'?; alpha has execute"


async def test_failed_module_answers_502_with_the_usual_body_and_an_error(
    start_service: StartService, request_body: dict[str, Any]
) -> None:
    beta = ScriptedModule("beta", answers=[httpx2.Response(422, json=error_envelope("beta", pointer="/inputs/vat_rate"))])
    async with start_service(ScriptedModule(), beta) as service:
        response = await service.post("/plan_and_execute", json=request_body)
    body = response.json()
    assert response.status_code == 502
    assert body["status"] == "failed"
    assert list(body["results"]) == ["alpha"]
    assert body["error"] == {
        "code": "MODULE_ERROR",
        "message": "beta answers INVALID_INPUT (at /inputs/vat_rate): vat_rate is 7, but a rate is at most 0.5",
        "module": "beta",
        "step": "beta",
        "retryable": False,
        "module_error": {
            "code": "INVALID_INPUT",
            "message": "vat_rate is 7, but a rate is at most 0.5",
            "retryable": False,
            "pointer": "/inputs/vat_rate",
        },
    }


async def test_steps_after_a_failed_one_are_not_called(start_service: StartService) -> None:
    alpha, beta = ScriptedModule(answers=[httpx2.Response(500)]), ScriptedModule("beta")
    async with start_service(alpha, beta) as service:
        body = (await service.post("/plan_and_execute", json={"scenario_id": "x", "modules": ["alpha", "beta"]})).json()
        record = (await service.get(f"/runs/{body['run_id']}")).json()
    assert beta.requests == []
    assert [step["status"] for step in record["steps"]] == ["failed", "pending"]


async def test_respond_async_answers_202_at_once_and_the_run_goes_on(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate])) as service:
        response = await service.post(
            "/plan_and_execute", json={"scenario_id": "x", "modules": ["alpha"]}, headers={"Prefer": "respond-async"}
        )
        assert (response.status_code, response.json()["status"]) == (202, "running")
        assert response.headers["preference-applied"] == "respond-async"
        gate.opened.set()
        record = await ended(service, response.headers["location"])
    assert record["status"] == "completed"


async def test_prefer_wait_answers_202_when_the_run_takes_longer(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate])) as service:
        response = await service.post(
            "/plan_and_execute", json={"scenario_id": "x", "modules": ["alpha"]}, headers={"Prefer": "wait=0"}
        )
    assert response.status_code == 202


async def test_run_goes_on_when_its_caller_hangs_up(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate])) as service:
        call = asyncio.create_task(service.post("/plan_and_execute", json={"scenario_id": "x", "modules": ["alpha"]}))
        await gate.asked.wait()
        call.cancel()
        await asyncio.wait([call])
        gate.opened.set()
        listed = (await service.get("/runs")).json()["runs"]
        record = await ended(service, f"/runs/{listed[0]['run_id']}")
    assert record["status"] == "completed"


async def test_service_that_stops_leaves_its_runs_interrupted(start_service: StartService, read_run: ReadRun) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate])) as service:
        response = await service.post(
            "/plan_and_execute", json={"scenario_id": "x", "modules": ["alpha"]}, headers={"Prefer": "respond-async"}
        )
        await gate.asked.wait()
    record = read_run(response.json()["run_id"], "run.json")
    assert record["status"] == "interrupted"
    assert record["steps"][0]["status"] == "interrupted"
    assert record["error"]["code"] == "INTERRUPTED"


async def test_more_runs_than_allowed_are_answered_503_with_retry_after(start_service: StartService) -> None:
    gate = Gate()
    scenario = {"scenario_id": "x", "modules": ["alpha"]}
    async with start_service(ScriptedModule(answers=[gate]), max_concurrent_runs=1, max_queued_runs=0) as service:
        await service.post("/plan_and_execute", json=scenario, headers={"Prefer": "respond-async"})
        response = await service.post("/plan_and_execute", json=scenario)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.json()["type"] == "urn:openpolicystack:problem:busy"


async def test_run_that_the_disk_refuses_is_errored_and_answers_500(
    start_service: StartService, read_run: ReadRun, tmp_path: Path, request_body: dict[str, Any]
) -> None:
    def fill_the_disk(_: httpx2.Request) -> httpx2.Response:
        # A file where the folder of the step's artifacts must go is as good as a full disk.
        (run,) = (tmp_path / "runs").glob("run_*")
        (run / "artifacts" / "alpha").write_bytes(b"")
        return success(artifacts=[artifact("a.txt")])

    async with start_service(ScriptedModule(answers=[fill_the_disk]), ScriptedModule("beta")) as service:
        response = await service.post("/plan_and_execute", json=request_body)
        listed = (await service.get("/runs", params={"status": "errored"})).json()["runs"]
    body = response.json()
    assert (response.status_code, body["status"], body["error"]["code"]) == (500, "errored", "ORCHESTRATOR_ERROR")
    assert [run["run_id"] for run in listed] == [body["run_id"]]
    assert read_run(body["run_id"], "run.json")["steps"][0]["status"] == "interrupted"
    assert (body["results"], read_run(body["run_id"], "results.json")["results"]) == ({}, {})


async def test_run_whose_end_cannot_be_written_is_errored_and_its_folder_agrees(
    start_service: StartService, tmp_path: Path, read_run: ReadRun
) -> None:
    def take_the_place_of_the_manifest(_: httpx2.Request) -> httpx2.Response:
        (run,) = (tmp_path / "runs").glob("run_*")
        (run / "manifest-sha256.txt").mkdir()
        return success()

    async with start_service(ScriptedModule(answers=[take_the_place_of_the_manifest])) as service:
        response = await service.post("/plan_and_execute", json={"scenario_id": "x", "modules": ["alpha"]})
    body = response.json()
    assert (response.status_code, body["status"], body["error"]["code"]) == (500, "errored", "ORCHESTRATOR_ERROR")
    record = read_run(body["run_id"], "run.json")
    assert (record["status"], [step["status"] for step in record["steps"]]) == ("errored", ["completed"])


async def test_run_whose_folder_is_gone_is_errored_and_stored_when_it_is_back(
    start_service: StartService, tmp_path: Path, read_run: ReadRun
) -> None:
    def take_the_folder_away(_: httpx2.Request) -> httpx2.Response:
        (run,) = (tmp_path / "runs").glob("run_*")
        run.rename(tmp_path / run.name)
        return success()

    async with start_service(ScriptedModule(answers=[take_the_folder_away])) as service:
        response = await service.post("/plan_and_execute", json={"scenario_id": "x", "modules": ["alpha"]})
        run_id = response.json()["run_id"]
        assert (response.status_code, (await service.get(f"/runs/{run_id}")).json()["status"]) == (500, "errored")
        refused = [(await service.post(f"/runs/{run_id}/{what}")) for what in ("cancel", "resume")]
        (tmp_path / run_id).rename(tmp_path / "runs" / run_id)
        while read_run(run_id, "run.json")["status"] != "errored":  # noqa: ASYNC110  # a thread makes it true
            await asyncio.sleep(0.05)
    assert [step["status"] for step in read_run(run_id, "run.json")["steps"]] == ["interrupted"]
    folder = tmp_path / "runs" / run_id
    reason = f"{run_id} has ended, but its end cannot be written yet: cannot write in {folder}: No such file or directory"
    for answer in refused:
        assert (answer.status_code, answer.json()["detail"][: len(reason)]) == (409, reason)
    error = response.json()["error"]["message"]
    assert f"cannot write in {folder}: No such file or directory" in error
    assert f"`ops runs resume {run_id}` goes on with the run" in error


async def test_scenario_with_countless_mistakes_is_answered_with_the_first_of_them(start_service: StartService) -> None:
    unknown = {f"field-{number}": 1 for number in range(900)}
    async with start_service(ScriptedModule()) as service:
        response = await service.post("/plan_and_execute", json={"scenario_id": "x", "modules": ["alpha"], **unknown})
    errors = response.json()["errors"]
    assert (response.status_code, len(errors)) == (422, 21)
    assert errors[-1]["detail"] == "and 880 more"


async def test_large_scenario_is_read_like_a_small_one(start_service: StartService) -> None:
    alpha = ScriptedModule()
    scenario = {"scenario_id": "x", "modules": ["alpha"], "inputs": {"table": ["x" * 100] * 5000}}
    async with start_service(alpha) as service:
        response = await service.post("/plan_and_execute", json=scenario)
    assert response.status_code == 200
    assert json.loads(alpha.executed[0].content)["inputs"] == scenario["inputs"]


async def test_unknown_module_answers_422_and_lists_the_registered_ones(start_service: StartService) -> None:
    async with start_service(ScriptedModule("policy-simulator"), ScriptedModule("monitor")) as service:
        response = await service.post("/plan_and_execute", json={"scenario_id": "x", "modules": ["policy-simulater"]})
        runs = (await service.get("/runs")).json()["runs"]
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
    problem = response.json()
    assert problem["detail"].startswith("Registered modules: policy-simulator, monitor.")
    assert problem["detail"].endswith(
        "After a change of modules.yaml, `ops modules reload` has the orchestrator read it again."
    )
    assert problem["errors"] == [
        {"pointer": "/modules/0", "detail": "'policy-simulater' is not registered; did you mean 'policy-simulator'?"}
    ]
    assert runs == []


@pytest.mark.parametrize(
    ("content", "content_type", "status", "said"),
    [
        (b"{", "application/json", 400, "not JSON"),
        (b'{"scenario_id": "x", "scenario_id": "y", "modules": ["alpha"]}', "application/json", 400, "stands twice"),
        (b"{}", "text/plain", 415, "not text/plain"),
        (b"{}", "", 415, "names no content type"),
        (b"{}", "application/json", 422, "right shape"),
        (b"x" * 2000, "application/json", 413, "1000 bytes"),
    ],
)
async def test_unusable_body_is_a_problem_that_says_why(
    start_service: StartService, content: bytes, content_type: str, status: int, said: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    async with start_service(ScriptedModule(), max_request_bytes=1000) as service:
        response = await service.post("/plan_and_execute", content=content, headers=headers)
    assert response.status_code == status
    assert said in response.json()["detail"]


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ([("Content-Type", "application/json"), ("Content-Type", "text/plain")], "not application/json, text/plain"),
        ([("Content-Type", "application/json; charset=utf-16")], "must be UTF-8"),
        ([("Content-Type", "application/json"), ("Content-Encoding", "gzip")], "send it without Content-Encoding"),
        (
            [("Content-Type", "application/json"), ("Content-Encoding", "identity"), ("Content-Encoding", "br")],
            "send it without Content-Encoding",
        ),
    ],
)
async def test_body_that_is_announced_as_anything_but_plain_json_is_a_415_problem(
    start_service: StartService, headers: list[tuple[str, str]], said: str
) -> None:
    async with start_service(ScriptedModule()) as service:
        response = await service.post(
            "/plan_and_execute", content=b'{"scenario_id": "x", "modules": ["alpha"]}', headers=headers
        )
    assert response.status_code == 415
    assert said in response.json()["detail"]


async def test_charset_parameter_of_the_content_type_is_accepted(start_service: StartService) -> None:
    content = b'{"scenario_id": "x", "modules": ["alpha"]}'
    async with start_service(ScriptedModule()) as service:
        response = await service.post(
            "/plan_and_execute", content=content, headers={"Content-Type": "application/json; charset=utf-8"}
        )
    assert response.status_code == 200


async def test_two_runs_of_one_recipe_share_both_fingerprints(
    start_service: StartService, request_body: dict[str, Any]
) -> None:
    async with start_service(ScriptedModule(), ScriptedModule("beta")) as service:
        ids = [(await service.post("/plan_and_execute", json=request_body)).json()["run_id"] for _ in range(2)]
        first, second = [(await service.get(f"/runs/{run_id}")).json()["fingerprints"] for run_id in ids]
    assert ids[0] != ids[1]
    assert first == second
    assert None not in first.values()


async def test_16_runs_at_once_keep_their_records_apart(start_service: StartService) -> None:
    def echo(request: httpx2.Request) -> httpx2.Response:
        return success(outputs={"scenario": json.loads(request.content)["scenario_id"]})

    async with start_service(ScriptedModule(answers=[echo])) as service:
        answers = await asyncio.gather(
            *(service.post("/plan_and_execute", json={"scenario_id": f"s{n}", "modules": ["alpha"]}) for n in range(16))
        )
        listed = (await service.get("/runs")).json()["runs"]
    assert [answer.json()["results"]["alpha"]["scenario"] for answer in answers] == [f"s{n}" for n in range(16)]
    assert {run["scenario_id"] for run in listed} == {f"s{n}" for n in range(16)}


async def ended(service: httpx2.AsyncClient, location: str) -> dict[str, Any]:
    """The record of a run once it is over."""
    while True:
        record: dict[str, Any] = (await service.get(location)).json()
        if record["status"] != "running":
            return record


def test_run_of_every_status_has_an_http_status_that_module_and_orchestrator_failures_do_not_share() -> None:
    assert HTTP_STATUS.keys() == set(get_args(Status))
    assert len({HTTP_STATUS["failed"], HTTP_STATUS["errored"], HTTP_STATUS["completed"]}) == 3


async def test_what_a_module_says_at_great_length_is_recorded_in_short_and_kept_in_full(
    start_service: StartService, read_run: ReadRun, request_body: dict[str, Any]
) -> None:
    talkative = ScriptedModule(answers=[success(version="1" * 5_000, warnings=["w" * 5_000] * 500, evidence=EVIDENCE)])
    failing = ScriptedModule(
        "beta", answers=[httpx2.Response(400, json=error_envelope("beta", message="m" * 50_000, code="c" * 50_000))]
    )
    async with start_service(talkative, failing) as service:
        answer = (await service.post("/plan_and_execute", json=request_body)).json()
    recorded, failed = read_run(answer["run_id"], "run.json")["steps"]
    assert recorded["module_version"] == "1" * 200 + "... (and 4,800 more characters)"
    *_, last, more = recorded["warnings"]
    assert last == "w" * 1000 + "... (and 4,000 more characters)"
    assert (len(recorded["warnings"]), more) == (101, "and 400 more warnings, in the answer that the run's folder keeps")
    assert len(failed["error"]["message"]) < len(failed["error"]["module_error"]["message"]) * 2 < 3_000
    assert read_run(answer["run_id"], "steps/2-beta/response.json")["error"]["message"] == "m" * 50_000
