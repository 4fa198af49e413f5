"""Every violation breaks its requirement as its row says, and no other one: each probe below asks for one requirement."""

import asyncio
import hashlib
import itertools
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio.lowlevel
import httpx2
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from ops_contract import Artifact, JsonError, SuccessEnvelope, canonical_json, parse_json, resolve_pointer
from ops_stubs.app import create_app
from ops_stubs.catalogue import STUBS
from ops_stubs.faults import VIOLATIONS, Faults

pytestmark = pytest.mark.anyio

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeBody = Callable[..., dict[str, Any]]

JSON = {"Content-Type": "application/json"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
MODULE_OF_MATRIX = "dr-anticorruption"


class Site:
    """A served stub, and what a probe needs: requests under fresh ids, and the seconds that staged faults made it wait."""

    def __init__(self, client: httpx2.AsyncClient, body: MakeBody, waits: list[float]) -> None:
        self.client = client
        self.waits = waits
        self._body = body
        self._numbers = itertools.count()

    def body(self, **fields: Any) -> dict[str, Any]:
        return self._body(**{"run_id": f"run-{next(self._numbers)}", **fields})

    def slow(self, seconds: float, **fields: Any) -> dict[str, Any]:
        usual = self.body(**fields)
        return {**usual, "inputs": {**usual["inputs"], "__stub_delay_s": seconds}}

    async def post(self, body: Any, **headers: str) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.post("/execute", content=content, headers=JSON | headers)

    async def ask(self, **fields: Any) -> dict[str, Any]:
        return told(await self.post(self.body(**fields)))

    async def content(self, artifact: dict[str, Any]) -> bytes | None:
        described = Artifact.model_validate({"media_type": "a/b", **artifact})
        if described.inline_content is not None:
            return described.inline_content
        answer = await self.client.get(f"/{described.href}")
        return answer.content if answer.status_code == 200 else None


Probe = Callable[[Site], Awaitable[bool]]
PROBES: dict[str, Probe] = {}


def requirement(name: str) -> Callable[[Probe], Probe]:
    """Registers a probe for a requirement; it says whether the requirement holds."""

    def register(probe: Probe) -> Probe:
        PROBES[name] = probe
        return probe

    return register


def told(answer: httpx2.Response) -> dict[str, Any]:
    """The JSON of an answer, read as a lenient reader does."""
    value: dict[str, Any] = json.loads(answer.content)
    return value


def outputs_of(answer: httpx2.Response) -> bytes:
    return canonical_json(told(answer)["outputs"])


def hashes_of(answer: httpx2.Response) -> list[str]:
    return [artifact["sha256"] for artifact in told(answer)["artifacts"]]


async def errors(site: Site) -> list[httpx2.Response]:
    """Errors of many kinds."""
    return [
        await site.post(b"{"),
        await site.post(site.body(action="dance")),
        await site.post(site.body(inputs=1)),
        await site.client.get("/execute"),
        await site.client.get("/nothing"),
        await site.client.post("/execute", content=b"{}", headers={"Content-Type": "text/plain"}),
    ]


@requirement("OPS-HLT-001")
async def health_is_200(site: Site) -> bool:
    return (await site.client.get("/health")).status_code == 200


@requirement("OPS-HLT-002")
async def health_has_the_required_fields(site: Site) -> bool:
    return {"status", "module", "version"} <= told(await site.client.get("/health")).keys()


@requirement("OPS-HLT-003")
async def health_answers_while_executing(site: Site) -> bool:
    execute = asyncio.ensure_future(site.post(site.slow(0.2)))
    health = asyncio.ensure_future(site.client.get("/health"))
    done, _ = await asyncio.wait({execute, health}, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.gather(execute, health)
    return done == {health}


@requirement("OPS-HLT-004")
async def health_is_fast(site: Site) -> bool:
    site.waits.clear()
    await site.client.get("/health")
    return sum(site.waits) < 1


@requirement("OPS-HLT-005")
async def health_lists_what_is_served(site: Site) -> bool:
    return {"contract_versions", "profiles", "actions"} <= told(await site.client.get("/health")).keys()


@requirement("OPS-EXE-001")
async def envelope_fits_the_schema(site: Site) -> bool:
    answer = await site.post(site.body())
    try:
        SuccessEnvelope.model_validate(told(answer))
    except ValidationError as error:
        # What the schema says of these has requirements of its own.
        return {problem["loc"][0] for problem in error.errors()} <= {"outputs", "artifacts", "evidence"}
    return answer.status_code == 200


@requirement("OPS-EXE-002")
async def module_is_that_of_health(site: Site) -> bool:
    return bool(told(await site.client.get("/health"))["module"] == (await site.ask())["module"])


@requirement("OPS-EXE-003")
async def outputs_is_an_object(site: Site) -> bool:
    return isinstance((await site.ask()).get("outputs"), dict)


@requirement("OPS-EXE-004")
async def answer_is_strict_json(site: Site) -> bool:
    try:
        parse_json((await site.post(site.body())).content)
    except JsonError:
        return False
    return True


@requirement("OPS-EXE-005")
async def unknown_action_lists_the_known(site: Site) -> bool:
    envelope = await site.ask(action="dance")
    return envelope["status"] == "error" and "execute" in json.dumps(envelope["error"])


@requirement("OPS-EXE-006")
async def answer_says_json(site: Site) -> bool:
    return (await site.post(site.body())).headers["content-type"] == "application/json"


@requirement("OPS-EXE-007")
async def envelope_has_versions(site: Site) -> bool:
    return {"version", "contract_version"} <= (await site.ask()).keys()


@requirement("OPS-VER-001")
async def other_major_is_refused(site: Site) -> bool:
    answer = await site.post(site.body(contract_version="2.0"))
    return 400 <= answer.status_code < 500 and "1.0" in json.dumps(told(answer)["error"])


@requirement("OPS-VER-002")
async def higher_minor_is_served(site: Site) -> bool:
    return (await site.post(site.body(contract_version="1.99", news={}))).status_code == 200


@requirement("OPS-ERR-001")
async def errors_are_envelopes(site: Site) -> bool:
    return all("error" in told(answer) for answer in await errors(site))


@requirement("OPS-ERR-002")
async def errors_have_their_fields(site: Site) -> bool:
    found = [told(answer).get("error") for answer in await errors(site)]
    return all({"code", "message", "retryable"} <= error.keys() for error in found if error)


@requirement("OPS-ERR-003")
async def malformed_is_400(site: Site) -> bool:
    return [(await site.post(raw)).status_code for raw in (b"{", b"", b'{"a": NaN}')] == [400] * 3


@requirement("OPS-ERR-004")
async def broken_schema_has_a_pointer(site: Site) -> bool:
    answers = [await site.post(site.body(**{name: 7})) for name in ("inputs", "scenario_id", "options")]
    return all((answer.status_code, "pointer" in told(answer)["error"]) == (422, True) for answer in answers)


@requirement("OPS-ERR-005")
async def nothing_is_coerced(site: Site) -> bool:
    answers = [await site.post(site.body(options={"seed": seed})) for seed in ("1", False, 1.5)]
    return {answer.status_code for answer in answers} == {422}


@requirement("OPS-ERR-006")
async def input_causes_no_5xx(site: Site) -> bool:
    sent = (b"null", b"7", b"[]", site.body(inputs={"country": 7}), site.body(upstream=[]))
    return all([(await site.post(body)).status_code < 500 for body in sent])


@requirement("OPS-ERR-007")
async def messages_name_no_files(site: Site) -> bool:
    return not any(re.search(r"\.py|Traceback|/srv", answer.text) for answer in await errors(site))


@requirement("OPS-ERR-008")
async def statuses_agree(site: Site) -> bool:
    answers = [*await errors(site), await site.post(site.body())]
    pairs = [(answer.status_code, told(answer).get("status", "error")) for answer in answers]
    return all((status == 200) == (said == "success") for status, said in pairs)


@requirement("OPS-ERR-009")
async def next_request_succeeds(site: Site) -> bool:
    await site.post(b"{")
    return (await site.post(site.body())).status_code == 200


@requirement("OPS-ERR-010")
async def wrong_method_and_type_are_told(site: Site) -> bool:
    method = await site.client.get("/execute")
    kind = await site.client.post("/execute", content=b"{}", headers={"Content-Type": "text/plain"})
    return (method.status_code, method.headers.get("allow"), kind.status_code) == (405, "POST", 415)


@requirement("OPS-FWD-001")
async def unknown_fields_change_nothing(site: Site) -> bool:
    plain = await site.post(site.body())
    more = await site.post(site.body(extra={"x": 1}, options={"seed": 42, "priority": "high"}))
    return more.status_code == 200 and outputs_of(plain) == outputs_of(more)


@requirement("OPS-PTH-001")
async def hostile_ids_are_refused(site: Site) -> bool:
    sent = [{name: value} for name in ("run_id", "step_id") for value in ("../x", "a\0b", "x" * 300)]
    return all([400 <= (await site.post(site.body(**ids))).status_code < 500 for ids in sent])


@requirement("OPS-LIM-001")
async def large_bodies_are_answered_in_time(site: Site) -> bool:
    site.waits.clear()
    await site.post(b'{"a":' * 1000 + b"1" + b"}" * 1000)
    await site.post(site.body(inputs={f"{number:x}": 0 for number in range(100_000)}))
    return sum(site.waits) < 5


@requirement("OPS-LIM-002")
async def deadline_is_kept(site: Site) -> bool:
    answer = await site.post(site.slow(0.3, options={"seed": 42, "deadline_s": 0.05}))
    return answer.status_code == 503 and bool(told(answer)["error"]["retryable"])


@requirement("OPS-LIM-003")
async def too_large_is_413(site: Site) -> bool:
    return (await site.post(b" " * (2**20 + 1))).status_code == 413


@requirement("OPS-ART-001")
async def artifacts_are_described(site: Site) -> bool:
    needed = {"name", "media_type", "size_bytes", "sha256"}
    artifacts = (await site.ask())["artifacts"]
    return all(needed <= item.keys() and len(item.keys() & {"data", "text", "href"}) == 1 for item in artifacts)


@requirement("OPS-ART-002")
async def artifacts_can_be_had(site: Site) -> bool:
    return None not in [await site.content(item) for item in (await site.ask())["artifacts"]]


@requirement("OPS-ART-003")
async def artifacts_have_their_hash(site: Site) -> bool:
    found = [(await site.content(item), item["sha256"]) for item in (await site.ask())["artifacts"]]
    return all(hashlib.sha256(content).hexdigest() == stated for content, stated in found if content is not None)


@requirement("OPS-ART-004")
async def artifacts_have_their_size(site: Site) -> bool:
    found = [(await site.content(item), item["size_bytes"]) for item in (await site.ask())["artifacts"]]
    return all(len(content) == stated for content, stated in found if content is not None)


@requirement("OPS-ART-005")
async def artifact_names_are_unique(site: Site) -> bool:
    names = [item["name"].casefold() for item in (await site.ask())["artifacts"]]
    return len(set(names)) == len(names)


@requirement("OPS-ART-006")
async def traversals_are_refused(site: Site) -> bool:
    paths = ("%2e%2e/%2e%2e/health", "x/..%2f..%2fhealth", "x/%252e%252e%252fhealth")
    return all([400 <= (await site.client.get(f"/artifacts/r/{path}")).status_code < 500 for path in paths])


@requirement("OPS-ART-007")
async def artifacts_are_of_their_type(site: Site) -> bool:
    found = [(await site.content(item) or b"", item.get("media_type")) for item in (await site.ask())["artifacts"]]
    return all((kind == "image/png") == content.startswith(b"\x89PNG") for content, kind in found if content and kind)


@requirement("OPS-DET-001")
async def outputs_are_equal(site: Site) -> bool:
    return len({outputs_of(await site.post(site.body())) for _ in range(2)}) == 1


@requirement("OPS-DET-002")
async def hashes_are_equal(site: Site) -> bool:
    return len({repr(hashes_of(await site.post(site.body()))) for _ in range(2)}) == 1


@requirement("OPS-DET-003")
async def calls_at_once_are_equal(site: Site) -> bool:
    alone = await site.post(site.body())
    at_once = await asyncio.gather(*(site.post(site.body()) for _ in range(8)))
    return len({(outputs_of(answer), *hashes_of(answer)) for answer in (alone, *at_once)}) == 1


@requirement("OPS-DET-004")
async def extreme_seeds_work(site: Site) -> bool:
    answers = [await site.post(site.body(options={"seed": seed})) for seed in (0, 2147483647)]
    return {answer.status_code for answer in answers} == {200}


@requirement("OPS-IDM-001")
async def repeats_are_equal(site: Site) -> bool:
    body = site.body()
    first, second = [told(await site.post(body)) for _ in range(2)]
    return {**first, "meta": {}} == {**second, "meta": {}}


@requirement("OPS-IDM-002")
async def used_key_is_refused(site: Site) -> bool:
    body = site.body()
    answers = [await site.post({**body, "options": {"seed": seed}}) for seed in (1, 2)]
    return answers[1].status_code == 422


@requirement("OPS-IDM-003")
async def duplicates_wait(site: Site) -> bool:
    body = site.slow(0.1)
    answers = await asyncio.gather(site.post(body), site.post(body))
    return len({outputs_of(answer) for answer in answers if answer.status_code == 200}) == 1


@requirement("OPS-EVD-001")
async def evidence_ids_are_unique(site: Site) -> bool:
    ids = [item["id"] for item in (await site.ask())["evidence"]]
    return len(set(ids)) == len(ids)


@requirement("OPS-EVD-002")
async def evidence_leads_somewhere(site: Site) -> bool:
    envelope = await site.ask()
    names = {None, *(artifact["name"] for artifact in envelope["artifacts"])}
    try:
        for item in envelope["evidence"]:
            [resolve_pointer(envelope["outputs"], pointer) for pointer in item["supports"]]
    except LookupError:
        return False
    return {item.get("artifact") for item in envelope["evidence"]} <= names


@requirement("OPS-EVD-003")
async def evidence_says_that_it_is_synthetic(site: Site) -> bool:
    return all(item.get("synthetic") is True for item in (await site.ask())["evidence"])


@requirement("OPS-OBS-001")
async def trace_is_repeated(site: Site) -> bool:
    answer = await site.post(site.body(), traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
    return bool(told(answer)["meta"].get("trace_id") == TRACE)


OF_PROCESS = {name for name, violation in VIOLATIONS.items() if violation.of_process}


@asynccontextmanager
async def open_site(connect: Connect, body: MakeBody, module: str, *violate: str) -> AsyncIterator[Site]:
    """The stub `module` with staged violations; what they wait is noted instead of waited."""
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)
        await anyio.lowlevel.checkpoint()

    async with connect(create_app(STUBS[module], faults=Faults(violate, sleep=note))) as client:
        yield Site(client, body, waits)


async def broken(site: Site) -> set[str]:
    """The requirements that do not hold; a look at the health before each probe, as the row of OPS-ERR-009 asks."""
    found = set()
    for name, probe in PROBES.items():
        await site.client.get("/health")
        if not await probe(site):
            found.add(name)
    return found


def test_violations_are_the_requirements_of_the_specification(repository: Path) -> None:
    specification = (repository / "contract/SPEC.md").read_text()
    assert set(re.findall(r"</a>(OPS-[A-Z]+-\d+) \|", specification)) == set(VIOLATIONS)
    assert {"OPS-CTR-001", "OPS-CTR-002", "OPS-CTR-003"} == OF_PROCESS
    assert set(PROBES) == set(VIOLATIONS) - OF_PROCESS


def test_violations_say_in_a_sentence_what_is_broken_and_how_it_is_seen() -> None:
    sentences = [text for violation in VIOLATIONS.values() for text in (violation.broken, violation.seen)]
    assert len(set(sentences)) == len(sentences)
    assert all(len(text) > 10 and not text.endswith(".") for text in sentences)


@pytest.mark.parametrize("name", sorted(PROBES))
async def test_violation_breaks_its_requirement_and_no_other(connect: Connect, body: MakeBody, name: str) -> None:
    async with open_site(connect, body, MODULE_OF_MATRIX, name) as site:
        assert await broken(site) == {name}


@pytest.mark.parametrize("name", [name for name in sorted(PROBES) if name[4:7] in {"ART", "DET", "EVD"}])
@pytest.mark.parametrize("module", [name for name in STUBS if name != MODULE_OF_MATRIX])
async def test_violation_breaks_its_requirement_in_every_module(
    connect: Connect, body: MakeBody, module: str, name: str
) -> None:
    """Those whose hooks depend on what a module finds."""
    async with open_site(connect, body, module, name) as site:
        assert not await PROBES[name](site)


@pytest.mark.parametrize("module", list(STUBS))
async def test_stub_without_a_violation_breaks_nothing(connect: Connect, body: MakeBody, module: str) -> None:
    async with open_site(connect, body, module) as site:
        assert await broken(site) == set()
