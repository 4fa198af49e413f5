"""The modules that `ops-contract init` writes: complete as they are, and strict where the kit does not look."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from local_service import HTTP, service, started
from starter_process import START, good_request, needs, post, starter

from ops_contract import fingerprint, key_figure_problems
from ops_contract.compliance.check import check
from ops_contract.compliance.result import ExitCode, Verdict
from ops_contract.compliance.starter import start_module

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


# What a team may write into its analysis, chosen by the seed.
FAILS, REFUSES, HAS_NO_NUMBER, NEVER_ENDS, SIGNALS_AND_NEVER_ENDS, DIFFERS_AND_TAKES_A_WHILE = range(1, 7)
ANALYSES: Final = {
    "node": """import { writeFileSync } from "node:fs";
function analyse(inputs, seed, upstream) {
  if (seed === 1) throw new Error("the password is tulip");
  if (seed === 2) throw badInput("/inputs/country", "must be one that there are figures of");
  if (seed === 3) return { outputs: { share: 0 / 0 } };
  if (seed === 5) writeFileSync("computing", "now");
  const end = Date.now() + { 4: Infinity, 5: Infinity, 6: 300 }[seed];
  while (Date.now() < end);
  return { outputs: { drawn: Math.random(), read: upstream.before?.outputs ?? null } };
""",
    "python": """def analyse(inputs: Inputs, seed: int, upstream: dict[str, Step]) -> dict[str, Any]:
    if seed == 1:
        raise RuntimeError("the password is tulip")
    if seed == 2:
        raise bad_input("/inputs/country", "must be one that there are figures of")
    if seed == 3:
        return {"outputs": {"share": float("nan")}}
    if seed == 5:
        with open("computing", "w") as pipe:
            pipe.write("now")
    end = time.monotonic() + {4: float("inf"), 5: float("inf"), 6: 0.3}.get(seed, 0)
    while time.monotonic() < end:
        pass
    return {"outputs": {"drawn": os.urandom(8).hex(), "read": upstream["before"].outputs if "before" in upstream else None}}
""",
}


@dataclass(frozen=True)
class Edited:
    """A starter with an analysis of a team's own; `computing` can be read from once SIGNALS_AND_NEVER_ENDS is under way."""

    url: str
    process: subprocess.Popen[str]
    computing: Path


@pytest.fixture(scope="module")
def edited(language: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edited]:
    folder = tmp_path_factory.mktemp("edited") / "tax-office"
    start_module(folder, language, None)
    os.mkfifo(folder / "computing")
    file = folder / START[language][1]
    first, last = {"node": ("function analyse(", "}\n\n//"), "python": ("def analyse(", "\n\ndef draw(")}[language]
    head, _, rest = file.read_text().partition(first)
    file.write_text(head + ANALYSES[language] + last + rest.partition(last)[2])
    with service(folder, *START[language], OPS_PORT="0") as (process, address):
        yield Edited(address, process, folder / "computing")


async def test_starter_meets_every_requirement_and_all_that_it_declares(url: str) -> None:
    report = await check(url)
    wrong = [(one.requirement.id, one.verdict, one.actual) for one in report.findings if one.verdict is not Verdict.PASS]
    assert [(identifier[:7], verdict) for identifier, verdict, _ in wrong] == [("OPS-CTR", Verdict.NOT_APPLICABLE)] * 3, wrong
    assert report.exit_code(strict=True) == ExitCode.COMPLIANT
    assert report.subject.profiles == ("artifacts", "deterministic", "idempotent")


def test_starter_goes_by_its_folder_s_name(url: str) -> None:
    assert HTTP.get(f"{url}/health").json()["module"] == "tax-office"
    assert post(url, good_request()).json()["module"] == "tax-office"


def test_answer_is_json_also_for_paths_and_methods_that_are_not_served(url: str) -> None:
    """OPS-ERR-001, OPS-ERR-010."""
    answers = [HTTP.get(url + "/"), HTTP.get(url + "/health/"), HTTP.put(url + "/health"), HTTP.get(url + "/execute")]
    assert [answer.status_code for answer in answers] == [404, 404, 405, 405]
    assert [answer.headers.get("allow") for answer in answers] == [None, None, "GET", "POST"]
    assert {answer.json()["status"] for answer in answers} == {"error"}


def test_trace_of_the_caller_is_in_errors_too_and_an_odd_one_is_nowhere(url: str) -> None:
    """OPS-OBS-001."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    sent = (f"00-{trace}-00f067aa0ba902b7-01", f"ff-{trace}-00f067aa0ba902b7-01", f"00-{'0' * 32}-00f067aa0ba902b7-01", "x")
    seen = [HTTP.get(f"{url}/nowhere", headers={"traceparent": header}).json()["meta"] for header in sent]
    assert seen == [{"trace_id": trace}, {}, {}, {}]


def test_analysis_that_fails_is_500_without_the_reason_and_does_no_harm(edited: Edited) -> None:
    """OPS-ERR-007, OPS-ERR-009."""
    url = edited.url
    for seed in (FAILS, HAS_NO_NUMBER):
        answer = post(url, good_request(options={"seed": seed}))
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "INTERNAL")
        assert "tulip" not in answer.text
    assert post(url, good_request()).status_code == 200


def test_analysis_can_refuse_its_inputs_and_be_asked_again(edited: Edited) -> None:
    url = edited.url
    body = good_request(options={"seed": REFUSES})
    error = post(url, body).json()["error"]
    assert (error["code"], error["pointer"], error["retryable"]) == ("INVALID_INPUT", "/inputs/country", False)
    assert error["message"] == "/inputs/country must be one that there are figures of"
    assert post(url, {**body, "options": {"seed": 0}}).status_code == 200


def test_analysis_reads_earlier_steps(edited: Edited) -> None:
    url = edited.url
    body = good_request(upstream={"before": {"module": "m", "outputs": {"a": [1]}}})
    assert post(url, body).json()["outputs"]["read"] == {"a": [1]}


async def test_duplicate_of_a_running_call_gets_its_answer(edited: Edited) -> None:
    """OPS-IDM-003."""
    url = edited.url
    body = good_request(options={"seed": DIFFERS_AND_TAKES_A_WHILE})
    answers = await asyncio.gather(*(asyncio.to_thread(post, url, body) for _ in range(3)))
    assert len({answer.json()["outputs"]["drawn"] for answer in answers}) == 1


def test_analysis_past_its_deadline_is_a_retryable_error(edited: Edited) -> None:
    """OPS-LIM-002."""
    answer = post(edited.url, good_request(options={"seed": NEVER_ENDS, "deadline_s": 0.4}))
    assert (answer.status_code, answer.json()["error"]["retryable"]) == (503, True)


def test_caller_that_leaves_in_the_middle_is_no_failure_of_the_module(language: str, tmp_path: Path) -> None:
    start_module(tmp_path / "left", language, None)
    head = b"POST /execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    with (
        (tmp_path / "log").open("w") as log,
        started(tmp_path / "left", *START[language], stderr=log.fileno(), OPS_PORT="0") as process,
    ):
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as leaving:
            leaving.sendall(head)
        assert post(url, good_request()).status_code == 200
    assert (tmp_path / "log").read_text() == ""


async def test_module_that_is_computing_answers_health_and_stops_on_sigterm(edited: Edited) -> None:
    """OPS-HLT-003, OPS-CTR-003."""
    call = asyncio.ensure_future(asyncio.to_thread(post, edited.url, good_request(options={"seed": SIGNALS_AND_NEVER_ENDS})))
    assert await asyncio.to_thread(edited.computing.read_text) == "now"
    assert (await asyncio.to_thread(HTTP.get, f"{edited.url}/health")).status_code == 200
    assert not call.done()
    edited.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(edited.process.wait) == 0
    await asyncio.wait({call})
    assert isinstance(call.exception(), httpx2.TransportError)


def test_both_languages_come_to_the_same_result(tmp_path: Path) -> None:
    answers: dict[str, list[Any]] = {}
    bodies = [
        good_request(options={"seed": seed}, inputs={"time_horizon_years": years, "policy_parameters": {"vat_rate": rate}})
        for seed, years, rate in ((0, 1, 0), (42, 30, 0.18), (2**31 - 1, 30, 0.5))
    ]
    for language in START:
        needs(language)
        with starter(tmp_path / language / "same", language) as url:
            answers[language] = [{**post(url, body).json(), "meta": {}} for body in bodies]
    assert [fingerprint(answer) for answer in answers["node"]] == [fingerprint(answer) for answer in answers["python"]]
    assert all(key_figure_problems(answer["outputs"]) == () for answer in answers["node"])
    assert answers["node"][0]["outputs"]["kpis"] == {"vat_revenue": 0}
    assert answers["node"][0]["artifacts"][0]["title"] == "VAT revenue by year"


def test_port_in_use_is_reported_in_one_sentence(url: str, language: str, tmp_path: Path) -> None:
    start_module(tmp_path / "second", language, None)
    port = url.rpartition(":")[2]
    with started(tmp_path / "second", *START[language], OPS_PORT=port) as process:
        _, message = process.communicate()
    assert process.returncode == 1
    assert message.startswith(f"cannot listen on port {port}: ")
    assert len(message.splitlines()) == 1
