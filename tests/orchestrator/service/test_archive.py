"""`GET /runs/{run_id}/archive`: a run as a zip file, made while it is sent."""

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from threading import Event
from zipfile import ZipFile

import httpx2
import pytest
from fastapi import FastAPI
from scripted_module import Gate, ScriptedModule, StartService, artifact, success
from served_app import served

from ops_contract import sha256_hex
from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.archive.importing import import_runs
from ops_orchestrator.runs.archive.reading import opened_archive
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.service.made_file import MadeFile

SCENARIO = {"scenario_id": "demo", "modules": ["alpha"]}
TABLE = "year,gdp\n2026,1.0\n"


@pytest.fixture
async def service(start_service: StartService) -> AsyncIterator[httpx2.AsyncClient]:
    alpha = ScriptedModule(answers=[success(artifacts=[artifact("table.csv", TABLE.encode(), "text/csv")])])
    async with start_service(alpha) as client:
        yield client


@pytest.fixture
async def run(service: httpx2.AsyncClient) -> str:
    """The address of a run that completed."""
    return str((await service.post("/plan_and_execute", json=SCENARIO)).headers["location"])


async def test_archive_is_a_zip_file_of_the_run(service: httpx2.AsyncClient, run: str) -> None:
    answer = await service.get(f"{run}/archive")
    run_id = run.rpartition("/")[2]
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == f'attachment; filename="{run_id}.zip"'
    with ZipFile(BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.read(f"{run_id}/artifacts/alpha/table.csv") == TABLE.encode()


async def test_head_gives_the_headers_without_making_the_file(service: httpx2.AsyncClient, run: str) -> None:
    answer = await service.head(f"{run}/archive")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "application/zip", b"")
    assert "content-length" not in answer.headers


async def test_run_that_is_not_there_is_404(service: httpx2.AsyncClient) -> None:
    answer = await service.get("/runs/run_2026-01-01T00-00-00Z_000000/archive")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:openpolicystack:problem:not-found")


async def test_imported_run_keeps_its_idempotency_key_unless_another_run_has_it(
    service: httpx2.AsyncClient, tmp_path: Path
) -> None:
    run_id = (await service.post("/plan_and_execute", json=SCENARIO, headers={"Idempotency-Key": "a"})).json()["run_id"]
    (tmp_path / "a.zip").write_bytes((await service.get(f"/runs/{run_id}/archive")).content)
    for holder, name in ((run_id, "free"), ("run_2026-01-09T12-34-56Z_ab12cd", "taken")):
        with closing(FolderStore.open(tmp_path / name)) as store, opened_archive(tmp_path / "a.zip", 10**9) as archive:
            if holder != run_id:
                (store.folder / holder).mkdir()
                store.claim(sha256_hex(b"a"), holder)
            assert [taken.outcome for taken in import_runs(store, archive)] == ["imported"]
            assert store.claim(sha256_hex(b"a"), "run_2026-01-09T12-34-57Z_000000") == holder


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_run_under_way_is_409(start_service: StartService, method: str) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate])) as client:
        started = await client.post("/plan_and_execute", json=SCENARIO, headers={"Prefer": "respond-async"})
        answer = await client.request(method, f"{started.headers['location']}/archive")
        gate.opened.set()
    assert answer.status_code == 409


async def test_damaged_run_is_500_with_what_is_wrong(service: httpx2.AsyncClient, run: str, tmp_path: Path) -> None:
    (tmp_path / run.strip("/") / "artifacts/alpha/table.csv").write_text("year,gdp\n2026,9.0\n")
    answer = await service.get(f"{run}/archive")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:openpolicystack:problem:damaged-run")
    assert "artifacts/alpha/table.csv" in answer.json()["detail"]


class Made:
    """A file that is made while it is sent: `count` pieces, and then the error."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.ended = Event()
        self._count = count
        self._error = error

    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_route("/", lambda: MadeFile(self._pieces(), {}))
        return app

    def _pieces(self) -> Generator[bytes]:
        try:
            for _ in range(self._count):
                yield bytes(256 * 1024)
            if self._error is not None:
                raise self._error
        finally:
            self.ended.set()


async def test_file_that_cannot_be_made_to_its_end_is_a_broken_answer() -> None:
    made = Made(2, StoreError("a file changed"))
    async with served(made.app()) as url, httpx2.AsyncClient(timeout=None, verify=False) as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get(url)


async def test_caller_that_hangs_up_ends_the_work() -> None:
    made = Made(1_000_000)
    async with served(made.app()) as url, httpx2.AsyncClient(timeout=None, verify=False) as client:
        async with client.stream("GET", url) as answer:
            async for _ in answer.aiter_raw():
                break
        await asyncio.to_thread(made.ended.wait)
