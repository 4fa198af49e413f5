"""Forms, parts and files that adapted modules are sent, from modules.yaml to the run folder and back."""

import json
import re
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import httpx2
import pytest
from scripted_module import ScriptedModule, StartService, artifact, success

from ops_contract import sha256_hex
from ops_orchestrator.runs.reports.shell_script import shell_script
from ops_orchestrator.runs.store.folder_run import FolderRun

MODULES = """
defaults: { ready_timeout_s: 600, backoff_s: 0, retries: 0 }
modules:
  alpha: { url: http://alpha.test }
  beta:
    url: http://beta.test
    adapter:
      actions:
        upload:
          path: /upload
          multipart:
            run: run_id
            country: inputs.country
            figures: { artifact: upstream.alpha.artifacts }
        login: { path: /login, form: { user: '"ops"', password: '"${BETA_PASSWORD}"', run: run_id } }
        ping: { path: /ping }
        convert:
          path: /convert
          needs: { figures: alpha }
          headers: { X-Step: needs.figures.module }
          multipart: { run: run_id, figures: { artifact: needs.figures.artifacts } }
          poll:
            path: "/jobs/{submitted.body.id}"
            query: { of: "needs.figures.artifacts[0].name" }
            until: response.body.rows > $count(needs.figures.evidence)
            interval_s: 0.01
          outputs: "{ 'rows': response.body.rows, 'of': needs.figures.module }"
          artifacts: [{ url: "'/files/' & needs.figures.module & '.txt'" }]
"""
FIGURES = b"year,value\r\n2026,1\r\n" * 10


def step(action: str) -> dict[str, str]:
    return {"module": "beta", "action": action}


def modules(*more: httpx2.Response) -> tuple[ScriptedModule, ScriptedModule]:
    told = httpx2.Response(200, json={"ok": True})
    answers = dict(zip(("/upload", "/login", "/ping"), (*more, told, told, told), strict=False))
    made = success(artifacts=[artifact("data/figures.csv", FIGURES, "text/csv")])
    return ScriptedModule("alpha", answers=[made]), ScriptedModule("beta", files=dict(answers))


async def run_of(service: httpx2.AsyncClient, *steps: Any, **options: Any) -> httpx2.Response:
    body = {"scenario_id": "demo", "modules": steps, "inputs": {"country": "DO"}, "run_options": options}
    return await service.post("/plan_and_execute", json=body)


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETA_PASSWORD", "correct horse")


async def test_file_of_an_earlier_step_is_sent_and_the_record_has_what_went_out(
    start_service: StartService, tmp_path: Path
) -> None:
    alpha, beta = modules()
    async with start_service(alpha, beta, registered=MODULES) as service:
        answer = (await run_of(service, "alpha", step("upload"))).json()
    assert answer["status"] == "completed", answer
    sent = beta.requests[-1]
    head = f"Content-Type: {sent.headers['content-type']}\r\n\r\n".encode()
    parts = [*message_from_bytes(head + sent.content, policy=policy.HTTP).iter_parts()]
    assert parts[2].get_content_type() == "text/csv"
    assert FIGURES in sent.content
    folder = tmp_path / "runs" / answer["run_id"]
    kept = folder / "steps/2-beta"
    assert (kept / "request.bin").read_bytes() == sent.content
    mapped = json.loads((kept / "mapped-request.json").read_bytes())
    assert mapped["headers"]["Content-Type"] == sent.headers["content-type"]
    assert mapped["multipart"] == [
        {"name": "run", "text": answer["run_id"]},
        {"name": "country", "text": "DO"},
        {
            "name": "figures",
            "filename": "figures.csv",
            "media_type": "text/csv",
            "size_bytes": len(FIGURES),
            "sha256": sha256_hex(FIGURES),
        },
    ]
    exchange = json.loads((folder / "run.json").read_bytes())["steps"][1]["exchange"]
    assert exchange["request_sha256"] == sha256_hex(sent.content)
    assert '>"$ANSWERS/2-request.bin"' in shell_script(FolderRun(folder.parent, folder.name))


async def test_run_with_files_goes_on_after_a_failure_and_is_reproduced_offline(start_service: StartService) -> None:
    alpha, beta = modules(httpx2.Response(500, text="later"))
    async with start_service(alpha, beta, registered=MODULES) as service:
        run_id = (await run_of(service, "alpha", step("upload"))).json()["run_id"]
        beta.files["/upload"] = httpx2.Response(200, json={"ok": True})
        resumed = (await service.post(f"/runs/{run_id}/resume")).json()
        assert resumed["status"] == "completed", resumed
        first, second = (request for request in beta.requests if request.url.path == "/upload")
        assert first.content == second.content
        again = (await service.post(f"/runs/{run_id}/reproduce", json={"offline": True})).json()
        verified = (await service.get(f"/runs/{run_id}/verification")).json()
    assert again["reproduction"]["grade"] == "identical", again
    assert verified["findings"] == []


async def test_upload_by_role_that_becomes_a_job_is_one_step_that_can_be_reproduced_offline(
    start_service: StartService, tmp_path: Path
) -> None:
    alpha, beta = modules()
    beta.files |= {"/convert": httpx2.Response(202, json={"id": 7}), "/jobs/7": httpx2.Response(200, json={"rows": 10})}
    beta.files["/files/alpha.txt"] = httpx2.Response(200, text="ten rows")
    async with start_service(alpha, beta, registered=MODULES) as service:
        answer = (await run_of(service, {"module": "alpha", "id": "first"}, step("convert"))).json()
        assert answer["status"] == "completed", answer
        asked = len(beta.requests)
        again = (await service.post(f"/runs/{answer['run_id']}/reproduce", json={"offline": True})).json()
        verified = (await service.get(f"/runs/{answer['run_id']}/verification")).json()
    sent, poll, fetch = beta.requests[-3:]
    assert (sent.method, poll.method, str(poll.url)) == ("POST", "GET", "http://beta.test/jobs/7?of=data%2Ffigures.csv")
    assert [request.headers["x-step"] for request in (sent, poll, fetch)] == ["alpha"] * 3
    assert answer["results"]["beta"] == {"rows": 10, "of": "alpha", "artifacts": ["alpha.txt"]}
    kept = {path.name: path.read_bytes() for path in (tmp_path / "runs" / answer["run_id"] / "steps/2-beta").iterdir()}
    assert kept["request.bin"] == sent.content
    assert [part["name"] for part in json.loads(kept["mapped-request.json"])["multipart"]] == ["run", "figures"]
    assert json.loads(kept["job.json"])["url"] == str(poll.url)
    assert again["reproduction"]["grade"] == "identical", again
    assert (verified["findings"], len(beta.requests)) == ([], asked)


async def test_secret_of_a_form_is_masked_in_all_that_is_kept(start_service: StartService, tmp_path: Path) -> None:
    alpha, beta = modules()
    async with start_service(alpha, beta, registered=MODULES) as service:
        answer = (await run_of(service, step("login"))).json()
        again = (await service.post(f"/runs/{answer['run_id']}/reproduce", json={"offline": True})).json()
    assert b"password=correct+horse" in beta.requests[-1].content
    folder = tmp_path / "runs" / answer["run_id"]
    assert (folder / "steps/1-beta/request.txt").read_text() == f"user=ops&password=***&run={answer['run_id']}"
    assert not [path for path in folder.rglob("*") if path.is_file() and re.search(rb"correct.{1,3}horse", path.read_bytes())]
    assert again["reproduction"]["grade"] == "identical", again


async def test_files_cannot_be_sent_when_none_are_kept(start_service: StartService) -> None:
    async with start_service(*modules(), registered=MODULES) as service:
        answer = await run_of(service, "alpha", step("upload"), save_artifacts=False)
        problem = answer.json()
        assert (answer.status_code, problem["errors"][0]["pointer"]) == (422, "/run_options/save_artifacts")
        assert "sends artifacts of earlier steps to beta" in problem["errors"][0]["detail"]


async def test_post_without_a_body_names_no_content_type(start_service: StartService) -> None:
    _, beta = modules()
    async with start_service(beta, registered=MODULES) as service:
        assert (await run_of(service, step("ping"))).json()["status"] == "completed"
    assert "content-type" not in beta.requests[-1].headers
