"""What modules and callers send reaches terminals through every route and every `--json`: control characters are escaped."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from command_line import ops
from local_service import HTTP, service
from scripted_module import artifact, envelope, error_envelope

ODD = "\x85\x9b\u061c\u200e\u2028\u202e\u2066"
ESCAPED = ODD.encode("ascii", "backslashreplace").replace(b"\\x", b"\\u00")
REFUSED = "refuse"


class OddModule(BaseHTTPRequestHandler):
    """A module that does nothing wrong, with texts that no terminal should be sent."""

    def do_GET(self) -> None:
        """The health check."""
        self._answer(200, {"status": "ok", "module": "odd", "version": "1", "contract_versions": ["1.0"], "profiles": [ODD]})

    def do_POST(self) -> None:
        """A call."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if request["inputs"].get(REFUSED):
            self._answer(422, error_envelope("odd", message=ODD))
        else:
            self._answer(200, envelope("odd", outputs={ODD: ODD}, warnings=[ODD], artifacts=[artifact(ODD[2:])]))

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@dataclass(frozen=True)
class Home:
    """Where an orchestrator runs that has a completed run and a failed one, and the answers about both."""

    folder: Path
    url: str
    answers: tuple[bytes, bytes]

    def ops(self, *words: str) -> bytes:
        """What `ops WORDS` prints when it is piped."""
        variables = {"OPS_URL": self.url, "OPS_MODULES_FILE": str(self.folder / "modules.yaml")}
        return ops(self.folder, *words, **variables).stdout.encode()


def scenario(**inputs: object) -> dict[str, Any]:
    return {"scenario_id": f"demo{ODD}", "modules": [{"module": "odd", "inputs": {"text": ODD}}], "inputs": inputs}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("home")
    with ThreadingHTTPServer(("127.0.0.1", 0), OddModule) as module:
        Thread(target=module.serve_forever, daemon=True).start()
        (folder / "modules.yaml").write_text(f"modules:\n  odd: {{url: 'http://127.0.0.1:{module.server_port}', retries: 0}}\n")
        (folder / "scenario.json").write_text(json.dumps(scenario()))
        (folder / "wrong.json").write_text(json.dumps(scenario() | {ODD: 1}))
        with service(folder, "ops", "serve", "--port", "0", OPS_MODULES_FILE="modules.yaml") as (_, url):
            bodies = (scenario(**{REFUSED: True}), scenario())
            failed, completed = (HTTP.post(f"{url}/plan_and_execute", json=body).content for body in bodies)
            yield Home(folder, url, (failed, completed))
        module.shutdown()


def is_safe(text: bytes) -> bool:
    return ESCAPED in text and not any(character.encode() in text for character in ODD)


def test_answers_about_runs_are_safe(home: Home) -> None:
    failed, completed = home.answers
    assert is_safe(failed)
    assert is_safe(completed)
    assert json.loads(completed)["results"]["odd"][ODD] == ODD


@pytest.mark.parametrize("path", ["/runs", "/runs/{}", "/runs/{}/results", "/runs/{}/logs", "/runs/{}/events", "/modules"])
def test_route_is_safe(home: Home, path: str) -> None:
    run_id = json.loads(home.answers[1])["run_id"]
    assert is_safe(HTTP.get(home.url + path.format(run_id)).content)


def test_list_of_artifacts_is_safe(home: Home) -> None:
    listed = HTTP.get(f"{home.url}/runs/{json.loads(home.answers[1])['run_id']}/artifacts").content
    assert json.loads(listed)["artifacts"][0]["name"] == ODD[2:]
    assert ODD[2:].encode() not in listed


def test_resumed_run_is_safe(home: Home) -> None:
    assert is_safe(HTTP.post(f"{home.url}/runs/{json.loads(home.answers[0])['run_id']}/resume").content)


def test_problem_is_safe(home: Home) -> None:
    problem = HTTP.post(f"{home.url}/plan_and_execute", json=scenario() | {ODD: 1})
    assert problem.headers["content-type"] == "application/problem+json"
    assert is_safe(problem.content)


@pytest.mark.parametrize(
    "words",
    [
        "run scenario.json --json",
        "plan scenario.json --json",
        "validate wrong.json --json",
        "runs list --json",
        "runs show latest --json",
        "runs logs latest --json",
        "runs logs latest --follow --json",
        "modules --json",
        "modules try odd --json",
    ],
)
def test_command_prints_safe_json(home: Home, words: str) -> None:
    assert is_safe(home.ops(*words.split()))
