"""The kit against modules that are odd: what the contract leaves open passes, what it forbids fails, and nothing breaks it."""

import asyncio
import hashlib
import itertools
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from local_service import command, environment

from ops_contract import MAX_VALUES
from ops_contract.compliance.arguments import selected
from ops_contract.compliance.check import check
from ops_contract.compliance.compare import compare
from ops_contract.compliance.doctor import diagnose
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.result import Report, Verdict

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

Answer = tuple[int, Any]
DEEP = "[" * 5000 + "]" * 5000


def envelope(**fields: Any) -> dict[str, Any]:
    return {"status": "success", "module": "odd", "outputs": {"a": 1}, **fields}


def refusal(message: str) -> Answer:
    return 422, {"status": "error", "module": "odd", "error": {"code": "NO", "message": message, "retryable": False}}


def artifact(**fields: Any) -> dict[str, Any]:
    content = fields.get("text") or "hello"
    described = {"name": "a.txt", "media_type": "text/plain", "size_bytes": len(content), "text": content}
    described |= {"sha256": hashlib.sha256(content.encode()).hexdigest(), **fields}
    return {name: value for name, value in described.items() if value is not None}


def evidence(**fields: Any) -> dict[str, Any]:
    return {"id": "e1", "kind": "k", "title": "t", "synthetic": True, **fields}


@dataclass
class OddModule:
    """Answers each request with what `execute` makes of its body, bytes as they are; it announces `surplus` bytes too many.

    Health is answered after `health_s`, by `late_healths` of the first requests when given; an execute after `execute_s`.

    With `refuses_like_a_module`, it refuses other majors and unknown actions before that.
    """

    execute: Callable[[dict[str, Any]], Answer] = lambda _: (200, envelope())
    health: dict[str, Any] = field(default_factory=dict)
    raw_health: bytes | None = None
    health_s: float = 0.0
    execute_s: float = 0.0
    late_healths: int | None = None
    surplus: int = 0
    refuses_like_a_module: bool = False
    requests: list[dict[str, Any]] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def checked(self, *select: str, **options: Any) -> dict[str, Verdict]:
        return {one.requirement.id: one.verdict for one in (await self.report(*select, **options)).findings}

    async def report(self, *select: str, **options: Any) -> Report:
        async with self.served() as url:
            return await check(url, select=set(select), **options)

    def _refusal(self, request: dict[str, Any]) -> Answer | None:
        if not self.refuses_like_a_module or (request["contract_version"] == "1.0" and request["action"] == "execute"):
            return None
        return refusal("serves contract 1.0 and 2.0, and the action execute")

    def _executed(self, raw: bytes) -> Answer:
        try:
            self.requests.append(json.loads(raw))
        except (ValueError, RecursionError):
            return refusal("not JSON, or too deep")
        return self._refusal(self.requests[-1]) or self.execute(self.requests[-1])

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if head.startswith(b"GET /health"):
            # The first is only asked whether anything is there.
            if len(self.heads) > 1 and (self.late_healths is None or len(self.heads) <= 1 + self.late_healths):
                await asyncio.sleep(self.health_s)
            declared = {"status": "ok", "module": "odd", "version": "1", "contract_versions": ["1.0"], "profiles": []}
            answer: Answer = 200, self.raw_health or {**declared, "actions": ["execute"], **self.health}
        elif not head.startswith(b"POST"):
            answer = 404, refusal("nothing is there")[1]
        else:
            length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            raw = await reader.readexactly(length)
            await asyncio.sleep(self.execute_s)
            answer = self._executed(raw)
        status, body = answer
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        announced = f"Content-Type: application/json\r\nContent-Length: {len(content) + self.surplus}"
        writer.write(f"HTTP/1.1 {status} X\r\n{announced}\r\n\r\n".encode() + content)
        writer.close()


async def test_module_that_refuses_unknown_inputs_can_be_idempotent() -> None:
    def strict(request: dict[str, Any]) -> Answer:
        return refusal("unknown input") if "__stub_delay_s" in request["inputs"] else (200, envelope())

    module = OddModule(strict, {"profiles": ["idempotent"]})
    assert await module.checked("OPS-IDM-003") == {"OPS-IDM-003": Verdict.PASS}


@pytest.mark.parametrize(("status", "advice"), [(500, "the module's log"), (422, "--inputs")])
async def test_call_that_does_not_succeed_is_reported_with_where_to_look(status: int, advice: str) -> None:
    report = await OddModule(lambda _: (status, refusal("no")[1])).report("OPS-EXE-001")
    (found,) = (one for one in report.findings if one.verdict == Verdict.FAIL)
    assert advice in found.actual


async def test_repeat_may_have_another_time_of_observation() -> None:
    clock = itertools.count(10)

    def observing(_: dict[str, Any]) -> Answer:
        return 200, envelope(evidence=[evidence(observed_at=f"2026-01-09T12:34:{next(clock)}Z")])

    found = await OddModule(observing, {"profiles": ["idempotent"]}).checked("OPS-IDM-001", "OPS-IDM-003")
    assert set(found.values()) == {Verdict.PASS}


async def test_health_that_is_slow_at_any_time_is_not_taken_for_one_that_waits() -> None:
    found = await OddModule(health_s=1.1).checked("OPS-HLT-003", "OPS-HLT-004")
    assert found == {"OPS-HLT-003": Verdict.PASS, "OPS-HLT-004": Verdict.WARN}


async def test_one_late_answer_does_not_make_a_module_slow() -> None:
    """Every health was late in the test before, and the module is then reported."""
    assert await OddModule(health_s=1.1, late_healths=2).checked("OPS-HLT-004") == {"OPS-HLT-004": Verdict.PASS}


@pytest.mark.parametrize(("execute_s", "verdict"), [(0, Verdict.PASS), (0.9, Verdict.FAIL)])
async def test_answer_that_comes_after_the_deadline_is_too_late(execute_s: float, verdict: Verdict) -> None:
    """Within a second of it, in which an error would be in time."""
    assert await OddModule(execute_s=execute_s).checked("OPS-LIM-002") == {"OPS-LIM-002": verdict}


async def test_seeds_at_the_bounds_are_asked_of_modules_that_are_not_deterministic_too() -> None:
    def bounded(request: dict[str, Any]) -> Answer:
        return refusal("seed") if "2147483647" in str(request.get("options")) else (200, envelope())

    assert await OddModule(bounded).checked("OPS-FWD-003") == {"OPS-FWD-003": Verdict.FAIL}


async def test_inputs_that_are_empty_are_sent_empty() -> None:
    module = OddModule()
    await module.checked("OPS-EXE-001", inputs={})
    assert {str(request["inputs"]) for request in module.requests} == {"{}"}


@pytest.mark.parametrize(
    ("outputs", "verdict"),
    [
        ({"units": "none"}, Verdict.NOT_APPLICABLE),
        ({"kpis": {"a": 1}, "units": {"a": ""}, "labels": {"a": "A"}}, Verdict.PASS),
        ({"kpis": {"a": 1}, "units": {"a": ""}, "labels": {}}, Verdict.WARN),
        ([], Verdict.NOT_APPLICABLE),
    ],
)
async def test_key_figures_are_judged_of_modules_that_have_some(outputs: Any, verdict: Verdict) -> None:
    module = OddModule(lambda _: (200, envelope(outputs=outputs)))
    assert await module.checked("OPS-FIG-001") == {"OPS-FIG-001": verdict}


async def test_artifacts_of_another_action_than_the_first_are_found() -> None:
    def plotting(request: dict[str, Any]) -> Answer:
        return 200, envelope(artifacts=[artifact()] if request["action"] == "plot" else [])

    module = OddModule(plotting, {"actions": ["execute", "plot"], "profiles": ["artifacts"]})
    assert await module.checked("OPS-ART-003") == {"OPS-ART-003": Verdict.PASS}


@pytest.mark.parametrize(
    "fields",
    [
        {"evidence": [evidence(supports=5)]},
        {"evidence": [evidence(artifact=["x"])]},
        {"artifacts": [artifact(name=["x"])], "evidence": [evidence(artifact="x")]},
        {"artifacts": [artifact(text=DEEP, media_type="application/json")]},
        {"outputs": {"\ud800": "\udfff"}},
        {"outputs": {"a": "\udfff"}},
    ],
)
async def test_answer_of_odd_types_breaks_no_check(fields: dict[str, Any]) -> None:
    module = OddModule(lambda _: (200, envelope(**fields)), {"profiles": ["artifacts", "deterministic"]})
    report = await module.report("OPS-EVD-001", "OPS-EVD-002", "OPS-ART-007", "OPS-DET-001", "OPS-DET-003")
    assert [one.actual for one in report.findings if one.verdict is Verdict.KIT_ERROR] == []


async def test_answer_that_is_deeper_than_anybody_may_nest_is_read_by_no_check() -> None:
    nested = b'{"status":"success","module":"odd","outputs":{"a":%s}}' % DEEP[4550:5450].encode()
    module = OddModule(lambda _: (200, nested), {"profiles": ["deterministic"]})
    found = await module.checked("OPS-EXE-003", "OPS-EXE-004", "OPS-DET-001")
    assert (found["OPS-EXE-003"], found["OPS-EXE-004"]) == (Verdict.FAIL, Verdict.FAIL)
    assert Verdict.KIT_ERROR not in found.values()


async def test_action_that_is_no_unicode_text_breaks_no_check() -> None:
    found = await OddModule(health={"actions": ["\ud800"]}).checked("OPS-EXE-001", "OPS-HLT-002")
    assert found == {"OPS-EXE-001": Verdict.PASS, "OPS-HLT-002": Verdict.FAIL}


@pytest.mark.parametrize(
    ("requirement", "fields"),
    [
        ("OPS-EXE-001", {"artifacts": ["x"]}),
        ("OPS-EXE-001", {"version": 5}),
        ("OPS-ART-001", {"artifacts": [artifact(), "x"]}),
        ("OPS-ART-001", {"artifacts": "x"}),
        ("OPS-ART-001", {"artifacts": [artifact(media_type="png")]}),
        ("OPS-ART-001", {"artifacts": [artifact(text=None, href="a?b=c")]}),
    ],
)
async def test_envelope_that_the_schema_refuses_does_not_pass(requirement: str, fields: dict[str, Any]) -> None:
    profiles = ["artifacts"] if requirement == "OPS-ART-001" else []
    module = OddModule(lambda _: (200, envelope(**fields)), {"profiles": profiles})
    assert await module.checked(requirement) == {requirement: Verdict.FAIL}


FAILS_A_RUN = {
    "file-and-folder": ("OPS-ART-005", {"artifacts": [artifact(name="a"), artifact(name="a/b")]}),
    "spelling": ("OPS-ART-005", {"artifacts": [artifact(name="\u00e9"), artifact(name="e\u0301")]}),
    "long-segment": ("OPS-ART-005", {"artifacts": [artifact(name="\u00e9" * 128)]}),
    "long-integer": ("OPS-EXE-004", {"outputs": {"population": 2**53}}),
    "many-values": ("OPS-EXE-004", {"outputs": {"table": [0] * MAX_VALUES}}),
    "version": ("OPS-VER-001", {"contract_version": "9.9"}),
}
"""Answers that fail a run although a schema accepts them, and the requirement that the run names."""
JUDGED = selected(["OPS-EXE-00[1-4]", "OPS-VER-001", "OPS-EVD-00[12]", "OPS-ART-00[1-5]"])


@pytest.mark.parametrize(("requirement", "fields"), FAILS_A_RUN.values(), ids=FAILS_A_RUN)
async def test_answer_that_fails_a_run_is_reported_by_the_same_requirement(requirement: str, fields: dict[str, Any]) -> None:
    module = OddModule(lambda _: (200, envelope(**fields)), {"profiles": ["artifacts"]}, refuses_like_a_module=True)
    found = await module.checked(*JUDGED)
    assert {name for name, verdict in found.items() if verdict is Verdict.FAIL} == {requirement}


@pytest.mark.parametrize(
    ("requirement", "broken"),
    [
        ("OPS-ART-001", artifact(media_type="png")),
        ("OPS-ART-002", artifact(text=None, href="files/a.txt")),
        ("OPS-ART-003", artifact(sha256="0" * 64)),
        ("OPS-ART-005", artifact(name="\u00e9" * 128)),
    ],
)
async def test_broken_artifact_of_an_undeclared_profile_is_not_compliant(requirement: str, broken: dict[str, Any]) -> None:
    module = OddModule(lambda _: (200, envelope(artifacts=[broken])), refuses_like_a_module=True)
    report = await module.report(*JUDGED)
    (finding,) = (one for one in report.findings if one.verdict is Verdict.FAIL)
    assert finding.requirement.id == "OPS-EXE-001"
    assert requirement in finding.actual


async def test_what_came_in_place_of_a_refusal_and_a_trace_is_told_in_words() -> None:
    report = await OddModule().report("OPS-VER-001", "OPS-OBS-001")
    assert [one.actual for one in report.findings] == ["200 with a success envelope", "no meta.trace_id"]


async def test_health_that_declares_another_major_than_is_answered_does_not_pass() -> None:
    module = OddModule(health={"contract_versions": ["2.0"]}, refuses_like_a_module=True)
    assert await module.checked("OPS-VER-001") == {"OPS-VER-001": Verdict.FAIL}


@pytest.mark.parametrize(
    "raw",
    [
        b'\xef\xbb\xbf{"status":"ok","module":"odd","version":"1"}',
        b'{"status":"ok","status":"ok","module":"odd","version":"1"}',
        b'{"status":"ok","module":"my module!","version":"1"}',
    ],
)
async def test_health_that_a_strict_reader_refuses_does_not_pass(raw: bytes) -> None:
    assert await OddModule(raw_health=raw).checked("OPS-HLT-002") == {"OPS-HLT-002": Verdict.FAIL}


async def test_lists_of_health_with_odd_items_are_told() -> None:
    found = await OddModule(health={"contract_versions": [1]}).checked("OPS-HLT-002", "OPS-HLT-005")
    assert found == {"OPS-HLT-002": Verdict.PASS, "OPS-HLT-005": Verdict.WARN}


async def test_answer_that_ends_before_its_announced_length_is_no_success() -> None:
    module = OddModule()

    def shortening(_: dict[str, Any]) -> Answer:
        module.surplus = 3
        return 200, envelope()

    module.execute = shortening
    assert await module.checked("OPS-EXE-001") == {"OPS-EXE-001": Verdict.FAIL}


async def test_health_that_does_not_come_to_its_end_is_not_waited_for_again() -> None:
    module = OddModule(surplus=3)
    report = await module.report("OPS-EXE-001", "OPS-HLT-001")
    assert "without sending complete message body" in str(report.unreachable)
    assert len(module.heads) == 1


async def test_two_services_that_are_no_modules_are_not_called_equal() -> None:
    async with OddModule(lambda _: (200, b"<html>")).served() as url:
        found = await compare(url, url, None)
    assert found.failed == {"execute": "old: 200 without outputs, new: 200 without outputs"}


async def test_doctor_says_that_a_redirect_leads_to_no_address() -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://[bad\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(redirect, "127.0.0.1", 0) as server:
        found = await diagnose(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert (found.finding, found.seen[1]) == ("It redirects callers.", "Location: http://[bad, which is not an address")


async def test_doctor_shows_the_beginning_of_a_long_version_only() -> None:
    async with OddModule(health={"version": "9" * 100_000}).served() as url:
        assert len("".join((await diagnose(url)).seen)) < 1000


async def test_credentials_of_the_address_are_no_part_of_the_host_header() -> None:
    module = OddModule()
    async with module.served() as url:
        await check(url.replace("//", "//user:password@"), select={"OPS-HLT-001"})
    assert not any(b"user:password" in head for head in module.heads)


async def test_host_name_with_an_empty_label_is_unknown() -> None:
    assert (await check("http://a..b", select={"OPS-HLT-001"})).unreachable == "the host name is not known"


def run(*words: str, stdin: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
    told = environment(**variables)
    return subprocess.run([command("ops-contract"), *words], env=told, input=stdin, capture_output=True, check=False)


async def test_command_shows_what_is_no_unicode_text() -> None:
    async with OddModule(lambda _: (200, envelope(outputs={"\ud800": 1}))).served() as url, OddModule().served() as other:
        done = await asyncio.to_thread(run, "compare", url, other)
    assert (done.returncode, done.stderr) == (1, b"")
    assert "/\ud800" in {change["name"] for change in json.loads(done.stdout)["changes"]}


async def test_brief_comparison_is_short_and_harmless_and_names_what_could_not_be_compared() -> None:
    outputs = {f"\x1b[2J{number}": "x" * 100_000 for number in range(9)}
    async with OddModule().served() as old, OddModule(lambda _: (200, envelope(outputs=outputs))).served() as new:
        done = await asyncio.to_thread(run, "compare", "--brief", old, new)
    assert (done.returncode, done.stdout.count(b"\n"), b"\x1b" in done.stdout) == (1, 3, False)
    assert len(done.stdout) < 3000
    async with OddModule().served() as old, OddModule(lambda _: (500, {})).served() as new:
        failed = await asyncio.to_thread(run, "compare", "--brief", old, new)
    assert failed.returncode == 1
    assert b"could not be compared for execute\nexecute: new: 500" in failed.stdout


def test_inputs_from_the_standard_input_that_are_not_utf_8_are_told_so() -> None:
    done = run("check", "http://127.0.0.1:9", "--inputs", "-", stdin=b"\xff", LC_ALL="C")
    assert (done.returncode, done.stderr) == (2, b"ops-contract: cannot read -: it is not UTF-8\n")


async def test_head_of_an_answer_without_an_end_is_given_up_early() -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000 + b"\r\n")
        writer.close()

    async with await asyncio.start_server(pour, "127.0.0.1", 0) as server:
        exchange = await Probe(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").send("GET", "/health")
    assert (exchange.status, exchange.error) == (None, "not HTTP/1.1: Receive buffer too long")


async def test_module_that_no_side_names_is_not_the_same_one() -> None:
    nameless = {name: value for name, value in envelope().items() if name != "module"}
    module = OddModule(lambda _: (200, nameless), {"module": None})
    assert await module.checked("OPS-EXE-002") == {"OPS-EXE-002": Verdict.FAIL}
