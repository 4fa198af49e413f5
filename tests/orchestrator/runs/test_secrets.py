"""A module that repeats what it was called with: nothing of it may stay, wherever and however it is repeated."""

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx2
import pytest
from scripted_module import ScriptedModule, StartService, artifact, envelope, success

from ops_contract import sha256_hex

FROM_VARIABLE: Final = "v4riable/of+env"
FROM_HEADER: Final = "dec1ared-header"
FROM_QUERY: Final = "wr1tten in query"
WORD: Final = "pass1word"
BASIC: Final = base64.b64encode(f"user:{WORD}".encode()).decode()
PLAIN: Final = (FROM_VARIABLE, FROM_HEADER, FROM_QUERY, WORD)
SECRETS: Final = (*PLAIN, BASIC)
TRACES: Final = {*SECRETS, *map(quote, SECRETS), *(quote(value, safe="") for value in SECRETS), "v4riable", "wr1tten"}

REGISTERED: Final = f"""
defaults: {{ ready_timeout_s: 600, backoff_s: 0, retries: 1 }}
modules:
  alpha: {{ url: "http://alpha.test/${{ALPHA_TOKEN}}" }}
  beta:
    url: http://beta.test
    adapter:
      secret_headers: [x-entry]
      health: {{ path: /health, version: response.body.version }}
      actions:
        score:
          path: /score
          headers:
            Authorization: '"Basic {BASIC}"'
            X-Entry: '"{FROM_HEADER}"'
            X-Tenant: '"${{TENANT}}"'
          query: {{ api_key: '"{FROM_QUERY}"' }}
          body: '{{ "iso": inputs.country, "client": {{ "access": "${{RISK_TOKEN}}" }} }}'
          outputs: response.body.outputs
          evidence: response.body.evidence
          warnings: response.body.warnings
          artifacts: [{{ each: response.body.files, name: item.name, text: item.text, title: item.is, description: item.is }}]
"""
TENANT: Final = "ten4nt-from-env"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISK_TOKEN", FROM_VARIABLE)
    monkeypatch.setenv("ALPHA_TOKEN", FROM_HEADER)
    monkeypatch.setenv("TENANT", TENANT)


def text_in(folder: Path) -> str:
    return "\n".join(f"{path} {path.read_text()}" for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.fixture
def run_and_read(start_service: StartService, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a module that gives `answer`; returns the answer of the run, and all text that is left or shown of it."""

    async def run(answer: Any, name: str = "beta", **options: Any) -> tuple[dict[str, Any], str]:
        module = ScriptedModule(name, answers=[answer], files={"/score": answer})
        scenario = {"scenario_id": "demo", "modules": [name], "inputs": {"country": "DO"}, "run_options": options}
        async with start_service(module, registered=REGISTERED) as service:
            response = await service.post("/plan_and_execute", json=scenario)
            shown = [response.text, (await service.get("/runs")).text, (await service.get("/modules")).text]
        assert module.requests
        kept = tmp_path / "runs" / response.json()["run_id"]
        subprocess.run(["sha256sum", "--check", "--quiet", "manifest-sha256.txt"], cwd=kept, check=True)  # noqa: ASYNC221
        return response.json(), "\n".join([*shown, *capsys.readouterr(), text_in(kept)])

    return run


def traces_in(text: str) -> set[str]:
    return {trace for trace in (*TRACES, TENANT) if trace in text}


ALL: Final = " ".join((*SECRETS, TENANT))


def scored(**fields: Any) -> httpx2.Response:
    return httpx2.Response(200, json={"outputs": {"a": 1}, **fields})


def raw(text: str, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, content=text.encode(), headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(scored(outputs={"value": ALL, ALL: [1, {ALL: ALL}]}), "completed", id="outputs"),
        pytest.param(scored(evidence=[{"title": ALL, "id": "e", "kind": "x", "uri": ALL}]), "completed", id="evidence"),
        pytest.param(scored(warnings=[f"the token {ALL} expires"]), "completed", id="warnings"),
        pytest.param(scored(files=[{"name": "a.txt", "text": "a", "is": ALL[:150]}]), "completed", id="words of an artifact"),
        pytest.param(scored(unmapped=ALL), "completed", id="unmapped"),
        pytest.param(raw(json.dumps({"outputs": {ALL: ALL}}).replace("/", "\\/")), "completed", id="escaped"),
        pytest.param(raw(json.dumps({"outputs": {ALL: ALL}}).replace("/", "\\u002f")), "completed", id="escaped by number"),
        pytest.param(scored(outputs={"url": f"http://x/?k={quote(ALL, safe='')}"}), "completed", id="quoted"),
        pytest.param(httpx2.Response(400, json={"message": f"{ALL} is not valid", "code": FROM_QUERY}), "failed", id="error"),
        pytest.param(httpx2.Response(503, json={"message": ALL}), "failed", id="retried error"),
        pytest.param(httpx2.Response(500, text=f"Authorization: Basic {BASIC}\nX-Entry: {FROM_HEADER}"), "failed", id="text"),
        pytest.param(httpx2.Response(500, html=f"<h1>{ALL}</h1>"), "failed", id="html"),
        pytest.param(httpx2.Response(500, text="x" * (300 - 9) + FROM_VARIABLE), "failed", id="cut text"),
        pytest.param(httpx2.Response(302, headers={"Location": f"/x?k={quote(ALL)}"}), "failed", id="redirect"),
        pytest.param(httpx2.Response(200, text=ALL), "failed", id="not JSON"),
        pytest.param(httpx2.ReadError(f"lost {ALL}"), "failed", id="network"),
    ],
)
async def test_secret_that_an_adapted_module_repeats_is_left_nowhere(
    run_and_read: Callable[..., Any], answer: Any, status: str
) -> None:
    given, text = await run_and_read(answer)
    assert given["status"] == status
    assert traces_in(text) == set()
    assert "***" in text


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(success(outputs={FROM_HEADER: FROM_HEADER}, meta={"x": FROM_HEADER}), "completed", id="outputs"),
        pytest.param(success(outputs={}, version=f"1-{FROM_HEADER}"), "completed", id="version"),
        pytest.param(
            httpx2.Response(
                400,
                json={
                    "status": "error",
                    "module": "alpha",
                    "error": {
                        "code": "INVALID_INPUT",
                        "message": FROM_HEADER,
                        "retryable": False,
                        "details": {FROM_HEADER: [FROM_HEADER]},
                    },
                },
            ),
            "failed",
            id="error",
        ),
        pytest.param(httpx2.Response(200, json=envelope(outputs=FROM_HEADER)), "failed", id="not an envelope"),
        pytest.param(httpx2.ConnectError(f"http://alpha.test/{FROM_HEADER}"), "failed", id="network"),
    ],
)
async def test_secret_in_the_address_of_a_module_is_left_nowhere(
    run_and_read: Callable[..., Any], answer: Any, status: str
) -> None:
    given, text = await run_and_read(answer, "alpha")
    assert given["status"] == status
    assert traces_in(text) == set()
    assert "http://alpha.test/***" in text


async def test_request_and_hashes_are_recorded_as_they_are_kept(run_and_read: Callable[..., Any], tmp_path: Path) -> None:
    given, _ = await run_and_read(scored(outputs={"a": FROM_VARIABLE}))
    run = tmp_path / "runs" / given["run_id"]
    kept = {path.name: path.read_bytes() for path in (run / "steps/1-beta").iterdir()}
    exchange = json.loads((run / "run.json").read_bytes())["steps"][0]["exchange"]
    assert json.loads(kept["request.json"]) == {"iso": "DO", "client": {"access": "***"}}
    assert json.loads(kept["response.json"]) == {"outputs": {"a": "***"}}
    assert exchange["request_sha256"] == sha256_hex(kept["request.json"])
    assert exchange["response_sha256"] == sha256_hex(kept["response.json"])
    headers = json.loads(kept["mapped-request.json"])["headers"]
    assert [headers[name] for name in ("Authorization", "X-Entry", "X-Tenant")] == ["***", "***", "***"]


async def test_module_is_called_with_its_secrets(start_service: StartService) -> None:
    module = ScriptedModule("beta", files={"/score": scored()})
    async with start_service(module, registered=REGISTERED) as service:
        await service.post("/plan_and_execute", json={"scenario_id": "x", "modules": ["beta"], "inputs": {"country": "DO"}})
    sent = module.requests[-1]
    assert json.loads(sent.content)["client"] == {"access": FROM_VARIABLE}
    assert (sent.headers["x-entry"], sent.headers["authorization"]) == (FROM_HEADER, f"Basic {BASIC}")
    assert sent.url.params["api_key"] == FROM_QUERY


async def test_bytes_of_an_artifact_stay_as_their_module_sent_them(run_and_read: Callable[..., Any], tmp_path: Path) -> None:
    answer = success(artifacts=[artifact("a.txt", f"key {FROM_HEADER}".encode())])
    given, _ = await run_and_read(answer, "alpha")
    run = tmp_path / "runs" / given["run_id"]
    assert (run / "artifacts/alpha/a.txt").read_text() == f"key {FROM_HEADER}"
    assert FROM_HEADER not in (run / "steps/1-alpha/response.json").read_text()


async def test_secret_that_a_health_check_repeats_is_left_nowhere(start_service: StartService) -> None:
    versioned = ScriptedModule(health=[httpx2.Response(200, json=ScriptedModule().healthy(version=f"1-{FROM_HEADER}"))])
    broken = ScriptedModule("beta", health=[httpx2.ReadError(TENANT)])
    async with start_service(versioned, broken, registered=REGISTERED) as service:
        alpha, beta = (await service.get("/modules")).json()["modules"]
    assert (alpha["version"], alpha["url"]) == ("1-***", "http://alpha.test/***")
    assert beta["reason"].endswith("***")


@pytest.mark.parametrize("name", [f"{FROM_VARIABLE}.txt", FROM_HEADER])
async def test_artifact_with_a_secret_in_its_name_fails_the_step(run_and_read: Callable[..., Any], name: str) -> None:
    given, text = await run_and_read(scored(files=[{"name": name, "text": "figures"}]))
    assert (given["status"], given["error"]["code"]) == ("failed", "INVALID_ANSWER")
    assert "beta names an artifact with a secret in its name or type: " in given["error"]["message"]
    assert traces_in(text) == set()


async def test_answer_that_repeats_a_secret_without_end_fails_the_step(run_and_read: Callable[..., Any]) -> None:
    given, text = await run_and_read(scored(outputs={"a": f"{FROM_HEADER} " * 20_000}))
    assert given["error"]["message"] == "beta repeats its secrets more than 10,000 times"
    assert traces_in(text) == set()


async def test_health_check_that_repeats_a_secret_without_end_is_its_module_s_failure(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHA_TOKEN", "s3cret")
    flooding = ScriptedModule(health=[httpx2.Response(200, json=ScriptedModule().healthy(status="s3cret" * 10_500))])
    async with start_service(flooding, ScriptedModule("beta"), registered=REGISTERED) as service:
        alpha, beta = (await service.get("/modules")).json()["modules"]
        given = (await service.post("/plan_and_execute", json={"scenario_id": "x", "modules": ["alpha"]})).json()
    assert (alpha["reason"], beta["ready"]) == ("alpha repeats its secrets more than 10,000 times", True)
    assert (given["status"], given["error"]["code"]) == ("failed", "INVALID_ANSWER")
