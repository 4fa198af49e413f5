"""Runs with modules that do not speak the contract, from modules.yaml to the run folder."""

import gc
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import httpx2
import pytest
from scripted_module import Gate, ReadRun, ScriptedModule, StartService, artifact, envelope, success

from ops_contract import sha256_hex
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.catalogue import load_catalogue
from ops_orchestrator.planning.steps import Step
from ops_orchestrator.runs.step_files import exchange_files

SCORE = "path: /score\nbody: '{\"iso\": inputs.country}'\n"
SCORED = httpx2.Response(200, json={"score": "0.41"})


def beta(**files: Any) -> ScriptedModule:
    """The adapted module; `score=` is what it answers at /score."""
    return ScriptedModule("beta", files={f"/{path}": answer for path, answer in files.items()})


def registered(action: str = SCORE, adapter: str = "", **options: Any) -> str:
    """A modules.yaml with the contract's alpha, and beta, whose only action `score` is declared as `action`."""
    settings = {"ready_timeout_s": 600, "backoff_s": 0, **options}
    return (
        f"defaults: {json.dumps(settings)}\n"
        "modules:\n"
        "  alpha: { url: http://alpha.test }\n"
        "  beta:\n"
        "    url: http://beta.test\n"
        "    adapter:\n"
        + indent(dedent(adapter), " " * 6)
        + "      actions:\n        score:\n"
        + indent(dedent(action), " " * 10)
    )


def scenario(*modules: str, **options: Any) -> dict[str, Any]:
    """A request over `modules`, or beta alone."""
    return {"scenario_id": "demo", "modules": modules or ["beta"], "inputs": {"country": "DO"}, "run_options": options}


async def answer_of(service: httpx2.AsyncClient, *modules: str, **options: Any) -> dict[str, Any]:
    return dict((await service.post("/plan_and_execute", json=scenario(*modules, **options))).json())


def check_manifest(folder: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--quiet", "manifest-sha256.txt"], cwd=folder, check=True)


@pytest.fixture
def folder_of(tmp_path: Path) -> Any:
    return lambda answer: tmp_path / "runs" / answer["run_id"]


async def test_raw_exchange_and_mapped_request_of_an_adapted_step_are_kept(
    start_service: StartService, folder_of: Any, read_run: ReadRun
) -> None:
    module = beta(score=SCORED)
    async with start_service(module, registered=registered()) as service:
        answer = await answer_of(service)
    assert answer["results"] == {"beta": {"score": "0.41", "artifacts": []}}
    kept = folder_of(answer) / "steps/1-beta"
    assert (kept / "request.json").read_bytes() == module.requests[-1].content == b'{"iso":"DO"}'
    assert json.loads((kept / "response.json").read_bytes()) == {"score": "0.41"}
    assert json.loads((kept / "mapped-request.json").read_bytes()) == {
        "method": "POST",
        "url": "http://beta.test/score",
        "headers": {"Accept": "*/*", "Content-Type": "application/json"},
        "body": {"iso": "DO"},
    }
    (step,) = read_run(answer["run_id"], "run.json")["steps"]
    assert step["exchange"]["request_sha256"] == sha256_hex(b'{"iso":"DO"}')
    check_manifest(folder_of(answer))


async def test_request_without_a_body_is_kept_by_what_was_mapped(start_service: StartService, folder_of: Any) -> None:
    action = "method: GET\npath: /score/{inputs.country}\nquery: {last: 5, sector: inputs.sector}\n"
    module = ScriptedModule("beta", files={"/score/DO": SCORED})
    async with start_service(module, registered=registered(action)) as service:
        answer = await answer_of(service)
    kept = folder_of(answer) / "steps/1-beta"
    assert sorted(path.name for path in kept.iterdir()) == [
        "mapped-request.json",
        "response-headers.json",
        "response.json",
        "result.json",
    ]
    mapped = json.loads((kept / "mapped-request.json").read_bytes())
    assert (mapped["method"], mapped["url"]) == ("GET", "http://beta.test/score/DO?last=5")
    assert "body" not in mapped


async def test_headers_of_an_adapted_answer_are_kept_without_its_secrets(start_service: StartService, folder_of: Any) -> None:
    headers = [(b"X-Odd", b"a\x1b[2J"), (b"Set-Cookie", b"id=1234567"), (b"Content-Type", b"application/json; charset=x")]
    async with start_service(beta(score=httpx2.Response(200, headers=headers, json={})), registered=registered()) as service:
        kept = (folder_of(await answer_of(service)) / "steps/1-beta/response-headers.json").read_bytes()
    assert b"\x1b" not in kept
    found = json.loads(kept)
    assert (found["content-type"], found["set-cookie"]) == ("application/json; charset=x", "***")


def test_header_with_bytes_that_are_not_text_is_kept_as_far_as_it_is_text() -> None:
    module = load_catalogue(Path("modules.yaml"), {}, registered().encode()).modules["beta"]
    exchange = Exchange(
        method="POST", url="", request_headers={}, request=b"", status=200, headers={"x-odd": "a\udcff"}, response=b"{}"
    )
    files = exchange_files(Step(1, "beta", module, "score"), exchange, "steps/1-beta", keep_artifacts=True)
    (headers,) = (file.content for file in files if file.ref.path.endswith("/response-headers.json"))
    assert isinstance(headers, bytes)
    assert json.loads(headers) == {"x-odd": "a?"}


async def test_secret_of_a_header_or_the_query_is_sent_and_stands_nowhere_else(
    start_service: StartService, folder_of: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    action = SCORE + "headers: {Authorization: '\"Bearer s3cret\"'}\nquery: {api_key: '\"s3cret\"', last: 5}\n"
    module = beta(score=httpx2.Response(500, text="broken"))
    async with start_service(module, registered=registered(action)) as service:
        answer = await answer_of(service)
        listed = (await service.get("/modules")).text
    sent = module.requests[0]
    assert (sent.headers["authorization"], sent.url.params["api_key"]) == ("Bearer s3cret", "s3cret")
    kept = b"".join(path.read_bytes() for path in folder_of(answer).rglob("*") if path.is_file())
    said = capsys.readouterr()
    for text in (kept.decode(), json.dumps(answer), listed, said.out, said.err):
        assert "s3cret" not in text
    assert b"http://beta.test/score?api_key=***&last=5" in kept


@pytest.mark.parametrize(
    ("modules", "told"),
    [
        (["beta"], "uses the answer of a step 'alpha'; nothing is before it"),
        (["beta", "alpha"], "uses the answer of a step 'alpha'; nothing is before it"),
        ([{"module": "alpha", "id": "first"}, "beta"], "uses the answer of a step 'alpha'; before it there is first"),
    ],
)
async def test_step_that_uses_one_which_is_not_before_it_is_422(start_service: StartService, modules: Any, told: str) -> None:
    action = SCORE + "outputs: '{\"growth\": upstream.alpha.outputs.kpis.growth}'\n"
    module = beta(score=SCORED)
    async with start_service(ScriptedModule(), module, registered=registered(action)) as service:
        response = await service.post("/plan_and_execute", json=scenario(*modules))
    (error,) = response.json()["errors"]
    assert (response.status_code, error["pointer"]) == (422, f"/modules/{modules.index('beta')}")
    assert told in error["detail"]
    assert module.requests == []


async def test_step_that_only_looks_for_an_earlier_one_can_do_without_it(start_service: StartService) -> None:
    action = 'path: /score\nbody: \'{"growth": $lookup(upstream, "alpha").outputs.kpis.growth, "iso": inputs.country}\'\n'
    module = beta(score=SCORED)
    async with start_service(ScriptedModule(), module, registered=registered(action)) as service:
        assert (await answer_of(service))["status"] == "completed"
        assert (await answer_of(service, "alpha", "beta"))["status"] == "completed"
    bodies = [json.loads(request.content) for request in module.requests if request.method == "POST"]
    assert bodies == [{"iso": "DO"}, {"growth": 0.02, "iso": "DO"}]


async def test_envelope_artifacts_and_raw_answer_of_an_earlier_step_can_be_mapped(start_service: StartService) -> None:
    answered = envelope(artifacts=[artifact("a.txt")], warnings=["careful"], meta={"run": 7})
    action = """\
        path: /score
        body: |
          { "module": upstream.alpha.module, "warnings": upstream.alpha.warnings,
            "sizes": [upstream.alpha.artifacts.size_bytes], "text": upstream.alpha.raw.artifacts.text,
            "raw": upstream.alpha.raw.meta }
        """
    module = beta(score=SCORED)
    alpha = ScriptedModule(answers=[httpx2.Response(200, json=answered)])
    async with start_service(alpha, module, registered=registered(action)) as service:
        assert (await answer_of(service, "alpha", "beta"))["status"] == "completed"
    assert json.loads(module.requests[-1].content) == {
        "module": "alpha",
        "warnings": ["careful"],
        "sizes": [7],
        "text": "figures",
        "raw": {"run": 7},
    }


async def test_raw_answer_of_an_adapted_step_can_be_the_whole_body_of_the_next(start_service: StartService) -> None:
    text = registered("method: GET\npath: /list\noutputs: '{\"items\": response.body}'\n")
    text += "  gamma:\n    url: http://gamma.test\n    adapter:\n      actions:\n"
    text += "        take: {path: /take, body: upstream.beta.raw}\n"
    gamma = ScriptedModule("gamma", files={"/take": SCORED})
    async with start_service(beta(list=httpx2.Response(200, json=[1, {"a": None}])), gamma, registered=text) as service:
        assert (await answer_of(service, "beta", "gamma"))["status"] == "completed"
    assert json.loads(gamma.requests[-1].content) == [1, {"a": None}]


async def test_step_after_an_adapted_one_gets_its_envelope_as_the_contract_says(start_service: StartService) -> None:
    file = "{name: '\"score.txt\"', text: response.body.score, title: '\"Score\"', description: response.body.about}"
    action = SCORE + f"evidence: '[\"Census\"]'\nartifacts: [{file}]\n"
    alpha = ScriptedModule()
    async with start_service(alpha, beta(score=SCORED), registered=registered(action)) as service:
        assert (await answer_of(service, "beta", "alpha"))["status"] == "completed"
    assert json.loads(alpha.executed[0].content)["upstream"]["beta"] == {
        "module": "beta",
        "outputs": {"score": "0.41"},
        "artifacts": [{key: artifact("score.txt", b"0.41")[key] for key in ("name", "media_type", "size_bytes", "sha256")}],
        "evidence": [{"id": "evidence-1", "kind": "source", "title": "Census", "supports": []}],
    }


async def test_mapping_that_yields_nothing_where_something_is_needed_fails_before_the_module_is_asked(
    start_service: StartService,
) -> None:
    module = beta(score=SCORED)
    async with start_service(module, registered=registered("path: /score\nbody: inputs.sector\n")) as service:
        response = await service.post("/plan_and_execute", json=scenario())
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["step"]) == (502, "MAPPING_FAILED", "beta")
    assert error["message"].endswith("body of its action 'score': inputs.sector yields nothing")
    assert module.requests == []


async def test_expression_that_fails_on_an_answer_is_named_with_its_place_and_the_answer_is_kept(
    start_service: StartService, folder_of: Any
) -> None:
    action = SCORE + "outputs: '{\"score\": $number(response.body.band)}'\n"
    module = beta(score=httpx2.Response(200, json={"band": "B"}))
    async with start_service(module, registered=registered(action)) as service:
        answer = await answer_of(service)
    assert answer["error"]["code"] == "MAPPING_FAILED"
    assert "beta is not mapped as it should be: outputs of its action 'score'" in answer["error"]["message"]
    assert "could not convert string to float: 'B', at character 33" in answer["error"]["message"]
    assert json.loads((folder_of(answer) / "steps/1-beta/response.json").read_bytes()) == {"band": "B"}


async def test_answer_larger_than_the_limit_fails_the_step_and_leaves_nothing(
    start_service: StartService, folder_of: Any
) -> None:
    action = SCORE + "answer: binary\nartifacts: [{}]\n"
    module = beta(score=httpx2.Response(200, content=b"%PDF" + bytes(2000)))
    async with start_service(module, registered=registered(action), max_response_bytes=1000) as service:
        answer = await answer_of(service)
    assert answer["error"]["code"] == "ANSWER_TOO_LARGE"
    left = [path for path in folder_of(answer).rglob("*") if path.is_file()]
    documents = {"logs.jsonl", "manifest-sha256.txt", "modules.json", "results.json", "run.json"}
    assert {path.name for path in left} == documents


async def test_answer_with_more_values_than_the_limit_fails_the_step_and_names_the_setting(start_service: StartService) -> None:
    module = beta(score=httpx2.Response(200, json={"table": [0] * 1000}))
    async with start_service(module, registered=registered(), max_response_values=1000) as service:
        answer = await answer_of(service)
    assert answer["error"]["code"] == "ANSWER_TOO_LARGE"
    # Expressions copy what they work on, so half of the limit holds.
    assert "more than the 500 JSON values, keys included, that OPS_MAX_RESPONSE_VALUES allows" in answer["error"]["message"]


async def test_module_without_a_health_check_is_asked_for_nothing_but_its_step(start_service: StartService) -> None:
    module = beta(score=SCORED)
    async with start_service(module, registered=registered()) as service:
        answer = await answer_of(service)
        (_, listed) = (await service.get("/modules")).json()["modules"]
    assert answer["status"] == "completed"
    assert [(request.method, request.url.path) for request in module.requests] == [("POST", "/score")]
    assert (listed["ready"], listed["status"]) == (True, "not asked")


async def test_module_without_a_health_check_that_is_not_there_yet_is_waited_for(
    start_service: StartService, read_run: ReadRun
) -> None:
    refusals = [httpx2.ConnectError("refused")] * 4

    def appear(_: httpx2.Request) -> httpx2.Response:
        if refusals:
            raise refusals.pop()
        return SCORED

    text = registered(SCORE + "retries: 0\n", ready_timeout_s=600)
    async with start_service(beta(score=appear), registered=text) as service:
        answer = await answer_of(service)
    assert answer["status"] == "completed"
    assert read_run(answer["run_id"], "run.json")["steps"][0]["attempts"] == 1


async def test_module_without_a_health_check_that_restarts_in_the_middle_is_waited_for(
    start_service: StartService, read_run: ReadRun
) -> None:
    failures = [*[httpx2.ConnectError("refused")] * 4, httpx2.ReadError("reset")]

    def restart(_: httpx2.Request) -> httpx2.Response:
        if failures:
            raise failures.pop()
        return SCORED

    text = registered(SCORE + "retries: 1\n", ready_timeout_s=600)
    async with start_service(beta(score=restart), registered=text) as service:
        answer = await answer_of(service)
    assert answer["status"] == "completed"
    assert read_run(answer["run_id"], "run.json")["steps"][0]["attempts"] == 2


async def test_module_that_is_dead_is_told_alike_with_and_without_a_health_check(start_service: StartService) -> None:
    refused = httpx2.ConnectError("refused")
    errors = []
    for adapter in ("", "health: /score\n"):
        module = beta(score=refused)
        async with start_service(module, registered=registered(adapter=adapter, ready_timeout_s=0.01, retries=2)) as service:
            errors.append((await answer_of(service))["error"])
    assert errors[0] == errors[1]
    assert errors[0]["code"] == "MODULE_NOT_READY"
    assert errors[0]["message"] == (
        "beta was not ready within 0.01 s: beta cannot be reached at http://beta.test/score: refused; "
        "see that it runs and that its url in modules.yaml is right"
    )


async def test_module_without_a_health_check_that_broke_off_is_not_asked_again_beyond_its_retries(
    start_service: StartService,
) -> None:
    module = beta(score=httpx2.ReadError("reset"))
    async with start_service(module, registered=registered(SCORE + "retries: 1\n", ready_timeout_s=600)) as service:
        assert (await answer_of(service))["error"]["code"] == "MODULE_UNREACHABLE"
    assert len(module.requests) == 2


async def test_declared_health_check_is_waited_for_and_tells_the_version(
    start_service: StartService, read_run: ReadRun
) -> None:
    module = ScriptedModule("beta", files={"/score": SCORED})
    answers = [httpx2.Response(503), httpx2.Response(204)]
    module.files["/ping"] = lambda _: answers.pop(0) if len(answers) > 1 else httpx2.Response(200, json={"build": 7})
    text = registered(adapter="health: {path: /ping, version: response.body.build}\n", ready_timeout_s=600)
    async with start_service(module, registered=text) as service:
        answer = await answer_of(service)
    assert read_run(answer["run_id"], "run.json")["steps"][0]["module_version"] == "7"


async def test_health_check_at_a_path_that_is_not_served_says_what_to_correct(start_service: StartService) -> None:
    text = registered(adapter="health: /ping\n", ready_timeout_s=3600)
    async with start_service(beta(score=SCORED), registered=text) as service:
        error = (await answer_of(service))["error"]
    assert error["code"] == "MODULE_NOT_READY"
    assert error["message"].endswith(
        "answers 404 at http://beta.test/ping; correct the path under health in modules.yaml, or write health: none"
    )


async def test_health_check_that_answers_2xx_is_enough_whatever_its_body(start_service: StartService) -> None:
    module = beta(score=SCORED, ping=httpx2.Response(204))
    async with start_service(module, registered=registered(adapter="health: /ping\n")) as service:
        assert (await answer_of(service))["status"] == "completed"


async def test_action_has_its_own_time_out(start_service: StartService) -> None:
    module = beta(score=Gate())
    async with start_service(module, registered=registered(SCORE + "timeout_s: 0.01\n", timeout_s=60)) as service:
        error = (await answer_of(service))["error"]
    assert error["code"] == "MODULE_TIMEOUT"
    assert "within 0.01 s" in error["message"]


@pytest.mark.parametrize(("retries", "asked"), [(0, 1), (2, 3)])
async def test_action_has_its_own_retries(start_service: StartService, retries: int, asked: int) -> None:
    module = beta(score=httpx2.Response(503))
    async with start_service(module, registered=registered(SCORE + f"retries: {retries}\n", retries=1)) as service:
        await answer_of(service)
    assert [request.method for request in module.requests].count("POST") == asked


async def test_recipe_changes_with_the_mapping_and_with_nothing_else_of_the_declaration(
    start_service: StartService, read_run: ReadRun
) -> None:
    recipes = []
    for action, adapter in (
        (SCORE, ""),
        (SCORE + "retries: 7\ntimeout_s: 9\n", "artifacts_root: /srv\nhealth: /ping\n"),
        (SCORE + "outputs: '{\"s\": response.body.score}'\n", ""),
    ):
        module = beta(score=SCORED, ping=httpx2.Response(200))
        async with start_service(module, registered=registered(action, adapter)) as service:
            answer = await answer_of(service)
        recipes.append(read_run(answer["run_id"], "run.json")["fingerprints"]["recipe"])
    assert recipes[0] == recipes[1] != recipes[2]
    assert None not in recipes


async def test_version_in_the_answer_stands_in_the_record(start_service: StartService, read_run: ReadRun) -> None:
    module = beta(score=httpx2.Response(200, json={"score": 1, "rev": 12}))
    async with start_service(module, registered=registered(SCORE + "version: response.body.rev\n")) as service:
        answer = await answer_of(service)
    assert read_run(answer["run_id"], "run.json")["steps"][0]["module_version"] == "12"


async def test_binary_answer_is_an_artifact_and_the_raw_answer_too(start_service: StartService, folder_of: Any) -> None:
    pdf = httpx2.Response(
        200,
        content=b"%PDF-1.7\x00\xff",
        headers={"Content-Type": "application/pdf", "Content-Disposition": 'attachment; filename="../../risk.pdf"'},
    )
    action = SCORE + "answer: binary\nartifacts: [{}]\n"
    async with start_service(beta(score=pdf), registered=registered(action)) as service:
        answer = await answer_of(service)
    assert answer["results"]["beta"] == {"artifacts": ["risk.pdf"]}
    assert (folder_of(answer) / "artifacts/beta/risk.pdf").read_bytes() == pdf.content
    assert (folder_of(answer) / "steps/1-beta/response.pdf").read_bytes() == pdf.content


async def test_binary_answer_is_kept_nowhere_when_no_artifacts_are_saved(
    start_service: StartService, folder_of: Any, read_run: ReadRun
) -> None:
    pdf = httpx2.Response(200, content=b"%PDF", headers={"Content-Type": "application/pdf"})
    action = SCORE + "answer: binary\nartifacts: [{}]\n"
    async with start_service(beta(score=pdf), registered=registered(action)) as service:
        answer = await answer_of(service, save_artifacts=False)
    kept = read_run(answer["run_id"], "results.json")["steps"]["beta"]["artifacts"]
    assert [(one["name"], one["sha256"], one["path"]) for one in kept] == [("score.pdf", sha256_hex(b"%PDF"), None)]
    assert not list(folder_of(answer).rglob("*.pdf"))


@pytest.mark.parametrize("source", ["text: response.body.score", "base64: $base64encode(response.body.score)"])
async def test_answer_that_holds_artifacts_is_not_kept_when_none_are_saved(
    start_service: StartService, folder_of: Any, source: str
) -> None:
    action = SCORE + f"outputs: '{{}}'\nartifacts: [{{name: '\"score.txt\"', {source}}}]\n"
    async with start_service(beta(score=SCORED), registered=registered(action)) as service:
        answer = await answer_of(service, save_artifacts=False)
    assert answer["results"]["beta"]["artifacts"] == ["score.txt"]
    assert not any(b"0.41" in path.read_bytes() for path in folder_of(answer).rglob("*") if path.is_file())


SHARED = SCORE + "artifacts: [{path: response.body.file, sha256: response.body.hash}]\n"


async def test_file_on_the_shared_volume_is_copied_so_that_a_later_run_cannot_change_it(
    start_service: StartService, folder_of: Any, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()

    def write(request: httpx2.Request) -> httpx2.Response:
        (volume / "risk.txt").write_bytes(request.content)
        return httpx2.Response(200, json={"file": str(volume / "risk.txt"), "hash": sha256_hex(request.content)})

    action = SHARED.replace("inputs.country", "run_id")
    text = registered(action, adapter=f"artifacts_root: {volume}\n")
    async with start_service(beta(score=write), registered=text) as service:
        first, second = await answer_of(service), await answer_of(service)
    for answer in (first, second):
        assert json.loads((folder_of(answer) / "artifacts/beta/risk.txt").read_bytes()) == {"iso": answer["run_id"]}


@pytest.mark.parametrize(
    ("file", "digest", "said"),
    [
        ("volume/gone.txt", None, "gone.txt is not there; is the volume of beta mounted at"),
        ("volume/risk.txt", "0" * 64, "has the sha256"),
        ("secret.txt", None, "and nothing outside of it is read"),
        ("volume/link.txt", None, "and nothing outside of it is read"),
        ("volume/../secret.txt", None, "and nothing outside of it is read"),
    ],
)
async def test_file_that_cannot_be_taken_fails_the_step_and_leaves_nothing(  # noqa: PLR0917  # fixtures
    start_service: StartService, folder_of: Any, tmp_path: Path, file: str, digest: str | None, said: str
) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume/risk.txt").write_text("high")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "volume/link.txt").symlink_to(tmp_path / "secret.txt")
    module = beta(score=httpx2.Response(200, json={"file": str(tmp_path / file), "hash": digest}))
    text = registered(SHARED, adapter=f"artifacts_root: {tmp_path / 'volume'}\n")
    async with start_service(module, registered=text) as service:
        answer = await answer_of(service)
    assert (answer["status"], answer["error"]["code"]) == ("failed", "INVALID_ANSWER")
    assert said in answer["error"]["message"]
    assert not any((folder_of(answer) / "artifacts").iterdir())
    assert (folder_of(answer) / "steps/1-beta/response.json").is_file()
    assert not (folder_of(answer) / ".staging").exists()


async def test_modules_are_listed_with_their_actions_and_adapter(start_service: StartService) -> None:
    text = registered() + "  gamma: { url: http://gamma.test, adapter: integration-spec-1.0 }\n"
    gamma = ScriptedModule("gamma")
    gamma.health = [httpx2.Response(200, json={"status": "ok", "module_name": "gamma", "version": "0.9"})]
    async with start_service(ScriptedModule(), beta(), gamma, registered=text) as service:
        modules = (await service.get("/modules")).json()["modules"]
    told = [(one["name"], one["ready"], one["version"], one["actions"], one["adapter"]) for one in modules]
    assert told == [
        ("alpha", True, "1.2.3", ["execute"], None),
        ("beta", True, None, ["score"], "declared"),
        ("gamma", True, "0.9", ["execute", "execute-input"], "integration-spec-1.0"),
    ]


async def test_integration_spec_adapter_sends_both_forms_of_request(start_service: StartService) -> None:
    text = "modules:\n  alpha: { url: http://alpha.test }\n  beta: { url: http://beta.test, adapter: integration-spec-1.0 }\n"
    done = {"module_name": "beta", "version": "0.9", "status": "success", "output": {"x": 1}, "artifacts": []}
    module = ScriptedModule("beta", answers=[httpx2.Response(200, json=done)])
    again = {"module": "beta", "id": "again", "action": "execute-input"}
    async with start_service(ScriptedModule(answers=[success()]), module, registered=text) as service:
        answer = await answer_of(service, "alpha", "beta", again)  # type: ignore[arg-type]  # a step may be an object
    assert answer["results"]["beta"] == answer["results"]["again"] == {"x": 1, "artifacts": []}
    first, second = (json.loads(request.content) for request in module.executed)
    assert first == {
        "run_id": answer["run_id"],
        "parameters": {"country": "DO"},
        "inputs": {"alpha": {"kpis": {"growth": 0.02}}},
        "metadata": {"scenario_id": "demo", "step_id": "beta", "seed": 0},
    }
    assert second == {"run_id": answer["run_id"], "input": {"country": "DO"}, "requested_by": "openpolicystack-orchestrator"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "failure", "output": {"error": "nothing to archive"}}, "beta answers with an error: nothing to archive"),
        ({"status": "failed", "output": {}, "message": "disk full"}, "beta answers with an error: disk full"),
        ({"status": "failed", "output": {}, "error": {"why": "x"}}, "beta answers with an error: why: x"),
    ],
)
async def test_failure_in_the_integration_spec_dialect_is_a_failed_step_in_its_own_words(
    start_service: StartService, fields: dict[str, Any], said: str
) -> None:
    text = "modules:\n  beta: { url: http://beta.test, adapter: integration-spec-1.0 }\n"
    module = ScriptedModule("beta", answers=[httpx2.Response(200, json={"module_name": "beta", "version": "1", **fields})])
    async with start_service(module, registered=text) as service:
        error = (await answer_of(service))["error"]
    assert (error["code"], error["message"]) == ("MODULE_ERROR", said)


SLOW = SCORE + "timeout_s: 0.3\noutputs: '{\"n\": $count($distinct(response.body.rows))}'\n"


@pytest.fixture
def interrupted_threads_are_gone() -> Iterator[None]:
    """Waits for the threads that a test had interrupted, so that none is interrupted while other tests run.

    Without garbage collection meanwhile: Hypothesis has a hook there, which may be where the interruption arrives.
    """
    before = set(threading.enumerate())
    gc.disable()
    try:
        yield
        for thread in set(threading.enumerate()) - before:
            if thread.name == "mapping":
                thread.join()
    finally:
        gc.enable()


@pytest.mark.usefixtures("interrupted_threads_are_gone")
async def test_mapping_that_the_library_does_in_one_piece_is_ended_with_the_step_s_time(start_service: StartService) -> None:
    rows = [{"name": str(number)} for number in range(20_000)]
    module = beta(score=httpx2.Response(200, json={"rows": rows}))
    async with start_service(module, registered=registered(SLOW), max_response_bytes=10_000_000) as service:
        error = (await answer_of(service))["error"]
    assert error["code"] == "MODULE_TIMEOUT"


@pytest.mark.usefixtures("interrupted_threads_are_gone")
async def test_run_that_is_cancelled_while_a_mapping_works_is_cancelled_at_once(start_service: StartService) -> None:
    action = "path: /score\nbody: '{\"n\": $count($distinct(inputs.rows))}'\n"
    module = beta(score=SCORED)
    asked = {**scenario(), "inputs": {"rows": [{"name": str(number)} for number in range(20_000)]}}
    async with start_service(module, registered=registered(action)) as service:
        answer = await service.post("/plan_and_execute", json=asked, headers={"Prefer": "respond-async"})
        address = f"/runs/{answer.json()['run_id']}"
        while "module.ready" not in (await service.get(f"{address}/logs")).text:
            pass
        cancelled = await service.post(f"{address}/cancel")
    assert (cancelled.json()["status"], module.requests) == ("cancelled", [])


@pytest.mark.parametrize("mid", [httpx2.ReadError("closed at http://beta.test/score?api_key=s3cret&z=5")])
async def test_secret_of_the_query_is_in_no_message_of_the_network(start_service: StartService, mid: Exception) -> None:
    action = SCORE + "query: {api_key: '\"s3cret\"', z: 5}\nretries: 0\n"
    async with start_service(beta(score=mid), registered=registered(action)) as service:
        message = (await answer_of(service))["error"]["message"]
    assert "api_key=***" in message
    assert "s3cret" not in message


async def test_step_does_not_change_what_the_next_is_given(start_service: StartService, read_run: ReadRun) -> None:
    action = 'path: /score\nbody: \'{"x": inputs.rows{ k: v }, "rows": inputs.rows}\'\n'
    module = beta(score=SCORED)
    asked = {**scenario(), "modules": [{"module": "beta", "inputs": {"rows": []}}, {"module": "beta", "id": "again"}]}
    async with start_service(module, registered=registered(action)) as service:
        run_id = (await service.post("/plan_and_execute", json={**asked, "inputs": {"rows": []}})).json()["run_id"]
    assert [json.loads(request.content)["rows"] for request in module.requests] == [[], []]
    assert read_run(run_id, "run.json")["plan"][0]["inputs"] == {"rows": []}


@pytest.mark.parametrize(
    "health",
    [
        httpx2.Response(200, content=b"<html>" + b"x" * 200_000, headers={"Content-Type": "text/html"}),
        httpx2.Response(200, json=["no", "version"]),
    ],
)
async def test_health_is_judged_by_its_status_alone(start_service: StartService, health: httpx2.Response) -> None:
    module = beta(score=SCORED, ping=health)
    text = registered(adapter="health:\n  path: /ping\n  version: $split(response.body, ' ')[1]\n")
    async with start_service(module, registered=text) as service:
        assert (await answer_of(service))["status"] == "completed"


async def test_failed_answer_is_kept_also_when_no_artifacts_are_saved(start_service: StartService, folder_of: Any) -> None:
    action = SCORE + "artifacts: [{name: '\"a\"', text: response.body.text}]\n"
    module = beta(score=httpx2.Response(404, json={"detail": "Not Found"}))
    async with start_service(module, registered=registered(action)) as service:
        answer = await answer_of(service, save_artifacts=False)
    assert json.loads((folder_of(answer) / "steps/1-beta/response.json").read_bytes()) == {"detail": "Not Found"}


async def test_answer_without_a_status_is_no_success_in_the_integration_spec_dialect(start_service: StartService) -> None:
    text = "modules:\n  beta: { url: http://beta.test, adapter: integration-spec-1.0 }\n"
    module = ScriptedModule("beta", answers=[httpx2.Response(200, json={"module_name": "beta", "output": {"a": 1}})])
    async with start_service(module, registered=text) as service:
        assert (await answer_of(service))["status"] == "failed"


async def test_adapted_artifact_has_the_title_and_the_description_of_its_mapping_cut_to_what_the_contract_allows(
    start_service: StartService,
) -> None:
    texts = "title: '\"Score \" & $string(item.n)', description: item.about"
    action = SCORE + f"artifacts: [{{each: response.body.files, name: item.name, text: item.name, {texts}}}]\n"
    files = [{"name": "a", "n": 7, "about": "x" * 3000}, {"name": "b", "n": 8}]
    async with start_service(beta(score=httpx2.Response(200, json={"files": files})), registered=registered(action)) as service:
        run_id = (await answer_of(service))["run_id"]
        listed = (await service.get(f"/runs/{run_id}/artifacts")).json()["artifacts"]
    assert [(each["title"], each["description"]) for each in listed] == [("Score 7", "x" * 2000), ("Score 8", None)]
