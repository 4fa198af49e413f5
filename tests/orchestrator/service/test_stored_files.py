"""The stored documents and artifacts as files on the web: HEAD, conditions, ranges, media types, names."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import httpx2
import pytest
from fastapi import HTTPException, Request
from scripted_module import ScriptedModule, StartService, artifact, success
from starlette.types import Message, Receive, Send

from ops_orchestrator.service.stored_file import StoredFile, respond_with

CONTENT = bytes(range(97, 123)) * 40
SCENARIO = {"scenario_id": "demo", "modules": ["alpha"]}
OF_1024_BYTES = CONTENT[:1024]


@pytest.fixture
async def service(start_service: StartService) -> AsyncIterator[httpx2.AsyncClient]:
    files = [
        artifact("table.csv", OF_1024_BYTES, "text/csv;header=present"),
        artifact('deep/Größe "1".txt', b"1", "text/plain"),
    ]
    async with start_service(ScriptedModule(answers=[success(artifacts=files)])) as client:
        yield client


@pytest.fixture
async def run(service: httpx2.AsyncClient) -> str:
    """The address of a run that completed."""
    return str((await service.post("/plan_and_execute", json=SCENARIO)).headers["location"])


@pytest.fixture
def table(run: str) -> str:
    """The address of an artifact of 1,024 bytes."""
    return f"{run}/artifacts/alpha/table.csv"


@pytest.mark.parametrize("path", ["", "/results", "/logs", "/artifacts", "/artifacts/alpha/table.csv"])
async def test_head_is_answered_like_get_without_the_body(service: httpx2.AsyncClient, run: str, path: str) -> None:
    got, headed = await service.get(run + path), await service.head(run + path)
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed.headers == got.headers
    assert int(headed.headers["content-length"]) == len(got.content)


@pytest.mark.parametrize("path", ["/runs", "/modules", "/health", "/ready", "/openapi.json", "/docs"])
async def test_head_is_answered_wherever_get_is(service: httpx2.AsyncClient, path: str) -> None:
    assert (await service.head(path)).status_code == 200


async def test_allow_names_head_beside_get(service: httpx2.AsyncClient, table: str) -> None:
    refused = await service.delete(table)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_head_of_a_path_without_get_is_405(service: httpx2.AsyncClient) -> None:
    refused = await service.head("/plan_and_execute")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


async def test_media_type_is_the_recorded_one_without_a_character_set(
    service: httpx2.AsyncClient, run: str, table: str
) -> None:
    listed = (await service.get(f"{run}/artifacts")).json()["artifacts"]
    answer = await service.get(table)
    assert answer.headers["content-type"] == listed[0]["media_type"] == "text/csv;header=present"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_run_whose_recorded_media_type_no_header_can_carry_is_damaged(
    service: httpx2.AsyncClient, run: str, table: str, tmp_path: Path
) -> None:
    results = tmp_path / run.strip("/") / "results.json"
    results.write_text(results.read_text().replace("text/csv;header=present", "text/html\\r\\nSet-Cookie: a=ü"))
    answer = await service.get(table)
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:openpolicystack:problem:damaged-run")
    assert "set-cookie" not in answer.headers


async def test_artifact_is_saved_under_the_last_part_of_its_name(service: httpx2.AsyncClient, run: str, table: str) -> None:
    plain = await service.get(table)
    accented = await service.get(f'{run}/artifacts/alpha/deep/Größe "1".txt')
    assert plain.headers["content-disposition"] == 'inline; filename="table.csv"'
    assert accented.headers["content-disposition"] == (
        "inline; filename=\"Gr__e _1_.txt\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%221%22.txt"
    )


async def test_artifacts_are_listed_with_their_addresses(service: httpx2.AsyncClient, run: str) -> None:
    listed = (await service.get(f"{run}/artifacts")).json()["artifacts"]
    assert [(entry["step"], entry["name"], entry["size_bytes"]) for entry in listed] == [
        ("alpha", "table.csv", 1024),
        ("alpha", 'deep/Größe "1".txt', 1),
    ]
    for entry in listed:
        answer = await service.get(entry["address"])
        assert (answer.status_code, answer.headers["etag"]) == (200, f'"{entry["sha256"]}"')


async def test_artifact_that_was_not_kept_is_listed_without_an_address(service: httpx2.AsyncClient) -> None:
    made = await service.post("/plan_and_execute", json={**SCENARIO, "run_options": {"save_artifacts": False}})
    listed = (await service.get(f"{made.headers['location']}/artifacts")).json()["artifacts"]
    assert {entry["address"] for entry in listed} == {None}


async def test_range_is_answered_206_with_its_bytes(service: httpx2.AsyncClient, table: str) -> None:
    answer = await service.get(table, headers={"Range": "bytes=1020-"})
    assert (answer.status_code, answer.headers["content-range"]) == (206, "bytes 1020-1023/1024")
    assert (answer.headers["content-length"], answer.content) == ("4", OF_1024_BYTES[1020:])


async def test_head_of_a_range_is_that_of_the_whole(service: httpx2.AsyncClient, table: str) -> None:
    answer = await service.head(table, headers={"Range": "bytes=1020-"})
    assert (answer.status_code, answer.headers["content-length"]) == (200, "1024")


async def test_range_that_cannot_be_read_is_ignored(service: httpx2.AsyncClient, table: str) -> None:
    answer = await service.get(table, headers={"Range": "bytes=a-b"})
    assert (answer.status_code, answer.content) == (200, OF_1024_BYTES)


async def test_range_beyond_the_end_is_a_416_problem_with_the_size(service: httpx2.AsyncClient, table: str) -> None:
    answer = await service.get(table, headers={"Range": "bytes=5000-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */1024")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:openpolicystack:problem:range-not-satisfiable"


async def test_range_of_another_version_is_answered_with_the_whole(service: httpx2.AsyncClient, table: str) -> None:
    etag = (await service.get(table)).headers["etag"]
    conditions = {etag: 206, '"another"': 200}
    answers = [await service.get(table, headers={"Range": "bytes=0-9", "If-Range": name}) for name in conditions]
    assert [answer.status_code for answer in answers] == list(conditions.values())


async def test_version_that_is_not_stored_is_a_412_problem(service: httpx2.AsyncClient, table: str) -> None:
    answer = await service.get(table, headers={"If-Match": '"another"'})
    assert (answer.status_code, answer.headers["content-type"]) == (412, "application/problem+json")


@pytest.mark.parametrize("path", ["", "/results", "/logs", "/artifacts/alpha/table.csv"])
async def test_content_that_the_caller_has_is_not_sent_again(service: httpx2.AsyncClient, run: str, path: str) -> None:
    etag = (await service.get(run + path)).headers["etag"]
    answer = await service.get(run + path, headers={"If-None-Match": f'"x", W/{etag}', "Range": "bytes=0-0"})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert "content-type" not in answer.headers


async def test_etag_of_a_document_changes_with_it(start_service: StartService) -> None:
    release = asyncio.Event()

    async def wait(_: httpx2.Request) -> httpx2.Response:
        await release.wait()
        return success()

    async with start_service(ScriptedModule(answers=[wait])) as service:
        started = await service.post("/plan_and_execute", json=SCENARIO, headers={"Prefer": "respond-async"})
        run = started.headers["location"]
        before = (await service.get(run)).headers["etag"]
        release.set()
        while (await service.get(run)).json()["status"] == "running":
            pass
        after = await service.get(run, headers={"If-None-Match": before})
    assert (after.status_code, after.json()["status"]) == (200, "completed")


async def test_etag_of_a_document_is_its_hash_in_the_manifest(service: httpx2.AsyncClient, run: str, tmp_path: Path) -> None:
    etag = (await service.get(f"{run}/results")).headers["etag"]
    assert f"{json.loads(etag)}  results.json" in (tmp_path / run.strip("/") / "manifest-sha256.txt").read_text()


async def test_file_is_read_in_pieces_and_closed_when_it_has_been_sent() -> None:
    file, pieces = BytesIO(b"x" * 600_000), []

    async def send(message: Message) -> None:
        pieces.append(message.get("body", b""))

    await asked(file, send=send)
    assert b"".join(pieces) == b"x" * 600_000
    assert max(map(len, pieces)) < 300_000
    assert file.closed


async def test_file_is_closed_when_the_caller_hangs_up() -> None:
    file = BytesIO(b"x" * 600_000)

    async def stalled(_: Message) -> None:
        await asyncio.Event().wait()

    async def hang_up() -> Message:
        return {"type": "http.disconnect"}

    await asked(file, receive=hang_up, send=stalled)
    assert file.closed


@pytest.mark.parametrize("header", [(b"if-none-match", b"*"), (b"if-match", b'"x"'), (b"range", b"bytes=600000-")])
async def test_file_is_closed_when_it_need_not_be_sent(header: tuple[bytes, bytes]) -> None:
    file = BytesIO(b"x" * 600_000)
    with suppress(HTTPException):
        await asked(file, header)
    assert file.closed


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def nowhere(_: Message) -> None:
    pass


async def asked(file: BytesIO, *headers: tuple[bytes, bytes], receive: Receive = never, send: Send = nowhere) -> None:
    """A GET with `headers` for what is in `file`."""
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": list(headers)}
    stored = StoredFile(file, len(file.getvalue()), "text/plain", "0" * 64)
    await respond_with(stored, Request(scope))(scope, receive, send)
