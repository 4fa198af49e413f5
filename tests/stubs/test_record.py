"""`ops-stubs record` before services of both kinds, and `ops-stubs serve --from` without them."""

import json
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from local_service import HTTP, address_of, service, started
from recorded_run import document, run, scenario
from starlette.applications import Starlette
from typer.testing import CliRunner

from ops_stubs.app import create_proxied
from ops_stubs.cli import cli
from ops_stubs.errors import RecordingError
from ops_stubs.faults import Faults
from ops_stubs.proxied import ProxiedFolder
from ops_stubs.proxied_replay import ProxiedReplay
from ops_stubs.proxy import create_proxy

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

Connect = Callable[[FastAPI | Starlette], AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeBody = Callable[..., dict[str, Any]]
Serve = Callable[..., AbstractContextManager[tuple["Popen[str]", int]]]

SECRET = "s3cr3t-value"  # noqa: S105 - of nothing
EXECUTE = "/policy-simulator/execute"
FORECAST = {"country_code": "DO", "years": 2, "seed": 1}
MULTIPART = {"file": ("a.txt", b"\xff\0", "text/plain")}


@dataclass
class Recorded:
    """What was recorded, what the service answered, and what the command said at its end."""

    folder: Path
    answers: dict[str, httpx2.Response]
    said: str


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory, body: MakeBody) -> Recorded:
    """Not to be changed."""
    home = tmp_path_factory.mktemp("record")
    with service(home, "ops-stubs", "serve", "--port", "0", OPS_STUBS_SHARED_DIR=str(home / "shared")) as (_, url):
        words = ("ops-stubs", "record", url, "--to", "kept", "--port", "0")
        with started(home, *words, stdout=PIPE, stderr=PIPE) as process:
            proxy = address_of(process)
            answers = {
                "execute": HTTP.post(f"{proxy}{EXECUTE}", json=body(), headers={"Authorization": f"Bearer {SECRET}"}),
                "refused": HTTP.post(f"{proxy}{EXECUTE}", json=body(step_id="b", action="other")),
                "forecast": HTTP.post(f"{proxy}/legacy/forecast", json=FORECAST),
                "indicators": HTTP.get(f"{proxy}/legacy/indicators?iso=DO&name=debt&last=2&api_key={SECRET}"),
                "multipart": HTTP.post(f"{proxy}/legacy/report", files=MULTIPART),
            }
            plot = next(file["href"] for file in answers["execute"].json()["artifacts"] if "href" in file)
            answers["plot"] = HTTP.get(f"{proxy}/policy-simulator/{plot}")
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate()
            assert process.returncode == 0
    return Recorded(home / "kept", answers, said)


@pytest.fixture
async def client(recorded: Recorded, connect: Connect) -> AsyncIterator[httpx2.AsyncClient]:
    async with connect(create_proxied(ProxiedReplay(ProxiedFolder(recorded.folder)))) as client:
        yield client


async def test_proxy_answers_as_the_service_does_and_says_what_it_kept(recorded: Recorded) -> None:
    assert recorded.answers["execute"].json()["outputs"]["kpis"]
    assert recorded.answers["plot"].content.startswith(b"\x89PNG")
    assert recorded.said == "kept 6 exchanges in kept; to replay: ops-stubs serve --from kept\n"
    names = sorted(path.name for path in (recorded.folder / "exchanges/000001").iterdir())
    assert names == ["exchange.json", "request.json", "response.json"]
    assert (recorded.folder / "exchanges/000006/response.png").read_bytes() == recorded.answers["plot"].content


async def test_recording_holds_no_secret(recorded: Recorded) -> None:
    kept = b"".join(path.read_bytes() for path in recorded.folder.rglob("*") if path.is_file())
    assert SECRET.encode() not in kept
    assert b"api_key=***" in kept


async def test_same_requests_get_the_recorded_answers(recorded: Recorded, client: httpx2.AsyncClient, body: MakeBody) -> None:
    again = {
        # Another run: of a call by the contract, the ids do not count.
        "execute": await client.post(EXECUTE, json=body(run_id="another")),
        "refused": await client.post(EXECUTE, json=body(action="other")),
        "forecast": await client.post("/legacy/forecast", content=json.dumps(dict(reversed(FORECAST.items())), indent=4)),
        "indicators": await client.get("/legacy/indicators?last=2&name=debt&iso=DO&api_key=other"),
        # With another boundary.
        "multipart": await client.post("/legacy/report", files=MULTIPART),
    }
    plot = next(file["href"] for file in again["execute"].json()["artifacts"] if "href" in file)
    again["plot"] = await client.get(f"/policy-simulator/{plot}")
    for name, answer in again.items():
        then = recorded.answers[name]
        assert (name, answer.status_code, answer.content) == (name, then.status_code, then.content)
        assert answer.headers["content-type"] == then.headers["content-type"]


async def test_request_that_was_not_recorded_is_told_the_nearest(client: httpx2.AsyncClient, body: MakeBody) -> None:
    other = await client.post(EXECUTE, json=body(inputs={"country": "DR", "time_horizon_years": 7}))
    error = other.json()["error"]
    assert (other.status_code, error["code"], error["details"]["nearest_exchange"]) == (422, "NOT_RECORDED", 1)
    assert {"pointer": "/body/inputs/time_horizon_years", "expected": 5, "actual": 7} in error["details"]["differences"]
    nowhere = await client.get("/legacy/indicator?iso=DO")
    assert (nowhere.status_code, nowhere.json()["error"]["code"]) == (404, "NOT_RECORDED")
    assert "differs at /" in nowhere.json()["error"]["message"]


def test_run_against_a_recorded_module_finds_what_the_run_through_the_recorder_found(tmp_path: Path) -> None:
    asked = scenario(["policy-simulator"])

    def run_at(url: str, name: str) -> dict[str, Any]:
        folder = run(tmp_path / name, asked, {"policy-simulator": {"url": url}})
        record = document(folder)
        return {"status": record["status"], "fingerprints": record["fingerprints"]["result"]}

    with (
        service(tmp_path, "ops-stubs", "serve", "policy-simulator", "--port", "0") as (_, module),
        service(tmp_path, "ops-stubs", "record", module, "--to", "kept", "--port", "0") as (_, proxy),
    ):
        then = run_at(proxy, "then")
    with service(tmp_path, "ops-stubs", "serve", "--from", "kept", "--port", "0") as (_, replay):
        assert run_at(replay, "now") == then
    assert then["status"] == "completed"


def test_answer_has_one_date_which_is_that_of_the_recorded_service(tmp_path: Path, polled: Path) -> None:
    exchange = polled / "exchanges/000001/exchange.json"
    then = "Fri, 09 Jan 2026 12:34:56 GMT"
    exchange.write_text(json.dumps(json.loads(exchange.read_text()) | {"response_headers": [["date", then]]}))
    with (
        service(tmp_path, "ops-stubs", "serve", "--from", str(polled), "--port", "0") as (_, replay),
        service(tmp_path, "ops-stubs", "record", replay, "--to", "again", "--port", "0") as (_, proxy),
    ):
        dates = [HTTP.get(f"{proxy}{path}").headers.get_list("date") for path in ("/jobs/1", "/not-recorded")]
    assert dates[0] == [then]
    assert len(dates[1]) == 1


@pytest.fixture
def polled(tmp_path: Path) -> Path:
    """A job that was asked twice before it was done; written by hand, as people may."""
    folder = ProxiedFolder.create(tmp_path / "polled", "http://jobs.example")
    for number, state in enumerate(("queued", "running", "done"), 1):
        exchange = folder.folder / f"exchanges/{number:06}"
        exchange.mkdir()
        fields = {"method": "GET", "target": "/jobs/1", "status": 200, "response_headers": [["content-type", "text/plain"]]}
        (exchange / "exchange.json").write_text(json.dumps(fields))
        (exchange / "response.txt").write_text(state)
    return folder.folder


async def test_answers_to_one_request_come_in_their_order_and_a_reset_begins_again(polled: Path, connect: Connect) -> None:
    async with connect(create_proxied(ProxiedReplay(ProxiedFolder(polled)), faults=Faults(executes=False))) as client:
        states = [(await client.get("/jobs/1")).text for _ in range(4)]
        await client.post("/__stub/reset")
        first = (await client.get("/jobs/1")).text
        await client.put("/__stub/answers", json={"answers": [{"match": {"path": "/jobs/1"}, "status": 410}]})
        gone = (await client.get("/jobs/1")).status_code
        refused = await client.put("/__stub/answers", json={"answers": [{"outputs": {}}]})
    assert (states, first, gone) == (["queued", "running", "done", "done"], "queued", 410)
    assert (refused.status_code, "a recording executes nothing" in refused.json()["detail"]) == (422, True)


def without_exchanges(folder: Path) -> None:
    shutil.rmtree(folder / "exchanges")


def with_two_bodies(folder: Path) -> None:
    (folder / "exchanges/000001/response.json").touch()


def with_a_wrong_status(folder: Path) -> None:
    path = folder / "exchanges/000002/exchange.json"
    path.write_text(path.read_text().replace("200", "99"))


def without_a_file(folder: Path) -> None:
    (folder / "exchanges/000002/exchange.json").unlink()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (without_exchanges, "has 0 exchanges"),
        (with_two_bodies, "has response.json and response.txt"),
        (with_a_wrong_status, r"000002/exchange.json is not as .*: /status: must be"),
        (without_a_file, "000002/exchange.json cannot be read"),
    ],
)
async def test_folder_that_cannot_be_replayed_is_refused_with_file_and_reason(
    polled: Path, change: Callable[[Path], None], sentence: str
) -> None:
    change(polled)
    with pytest.raises(RecordingError, match=sentence):
        ProxiedReplay(ProxiedFolder(polled))


async def test_serve_from_a_recording_answers_and_takes_no_name(polled: Path, serve: Serve) -> None:
    with serve("--from", str(polled), "--fault", "status:path=/jobs/1,first=1") as (_, port):
        answers = [httpx2.get(f"http://127.0.0.1:{port}/jobs/1") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [503, 200]
    refused = CliRunner().invoke(cli, ["serve", "monitor", "--from", str(polled)])
    assert (refused.exit_code, "leave it out" in refused.stderr) == (2, True)


async def test_service_that_cannot_be_reached_is_a_502_and_not_recorded(tmp_path: Path, serve: Serve) -> None:
    with serve("monitor") as (process, port):
        process.kill()
        process.wait()
    words = ("ops-stubs", "record", f"http://127.0.0.1:{port}", "--to", "kept", "--port", "0")
    with started(tmp_path, *words, stdout=PIPE, stderr=PIPE) as process:
        answer = HTTP.get(f"{address_of(process)}/health")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate()
    assert (answer.status_code, "cannot be reached" in answer.json()["detail"]) == (502, True)
    assert said.startswith("kept 0 exchanges")


@pytest.mark.parametrize("limit", [{"most": 1}, {"max_bytes": 250}], ids=str)
async def test_exchange_for_which_there_is_no_room_is_said_to_the_caller(
    tmp_path: Path, serve: Serve, connect: Connect, limit: dict[str, int]
) -> None:
    folder = ProxiedFolder.create(tmp_path / "kept", "http://stub", **limit)
    with serve("monitor") as (_, port):
        app = create_proxy(f"http://127.0.0.1:{port}", folder)
        async with app.router.lifespan_context(app), connect(app) as client:
            answers = [await client.get("/health") for _ in range(3)]
    assert (answers[0].status_code, answers[2].status_code, len(folder)) == (200, 507, 1)
    assert "is full" in answers[2].json()["detail"]
    assert len(list((tmp_path / "kept/exchanges").iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["ftp://x", "--to", "new"], "is not an address"), (["http://127.0.0.1:9", "--to", "full"], "is not empty")],
)
def test_record_of_what_makes_no_sense_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    result = CliRunner().invoke(cli, ["record", *arguments, "--port", "0"])
    assert (result.exit_code, sentence in result.stderr) == (2, True)
