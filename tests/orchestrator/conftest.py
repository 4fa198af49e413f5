import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import recorded_run
from faulty_store import FaultyStore, faulty
from local_service import service
from object_stores import credentials_for, moto_server, new_prefix, seaweedfs_server
from postgres import Postgres, empty, postgres
from scripted_module import ClientFor, ReadRun, ScriptedModule, StartService, demo, modules_yaml, transport
from stub_runs import StubRuns, make_stub_runs

from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module
from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.runs.cluster.database import upgrade
from ops_orchestrator.service.app import create_app
from ops_orchestrator.settings import Settings


@pytest.fixture(scope="session")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of all stubs, and of the legacy service, in a process of their own."""
    folder = tmp_path_factory.mktemp("stubs")
    with service(folder, "ops-stubs", "serve", "--port", "0", "--shared-dir", str(folder / "volume")) as (_, url):
        yield url


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a stand-in for S3."""
    with moto_server(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture
def before(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyStore]:
    """A proxy before the stand-in for S3, to which this process is set."""
    with faulty(moto) as proxy:
        for name, value in credentials_for(proxy.url).items():
            monkeypatch.setenv(name, value)
        yield proxy


@pytest.fixture
def prefix() -> str:
    """The address of a place in the bucket that no other test uses."""
    return new_prefix()


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an object store that people run."""
    with seaweedfs_server(tmp_path_factory.mktemp("seaweedfs")) as url:
        yield url


@pytest.fixture(scope="session")
def stub_runs(tmp_path_factory: pytest.TempPathFactory) -> StubRuns:
    """Runs of shipped scenarios, to be read."""
    return make_stub_runs(tmp_path_factory.mktemp("stub-runs"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Postgres]:
    """A PostgreSQL for all tests."""
    with postgres() as made:
        yield made


@pytest.fixture(scope="session")
def upgraded(cluster: Postgres) -> str:
    """The address of a database with our tables."""
    url = cluster.database()
    upgrade(url)
    return url


@pytest.fixture
def database(upgraded: str) -> str:
    """The same, with nothing in the tables."""
    empty(upgraded)
    return upgraded


@pytest.fixture
def module() -> Module:
    return Module(name="alpha", url="http://alpha.test", timeout_s=5.0, ready_timeout_s=0.0, retries=2, backoff_s=0.0)


@pytest.fixture
def catalogue(module: Module) -> Catalogue:
    names = ("alpha", "beta", "gamma")
    return Catalogue({name: module.model_copy(update={"name": name, "url": f"http://{name}.test"}) for name in names})


@pytest.fixture
def scenario() -> Scenario:
    return demo("alpha", "beta", country="DR")


@pytest.fixture
def request_body() -> dict[str, Any]:
    return {"scenario_id": "demo", "modules": ["alpha", "beta"], "inputs": {"country": "DR"}, "run_options": {"seed": 42}}


@pytest.fixture
def client_for() -> ClientFor:
    def build(*modules: ScriptedModule, **limits: int) -> ModuleClient:
        small = replace(Settings(_env_file=None).limits, response_bytes=100_000, artifact_bytes=100_000)
        return ModuleClient(replace(small, **limits), transport(*modules))

    return build


@pytest.fixture
def start_service(tmp_path: Path) -> StartService:
    """Start the whole orchestrator in process, with scripted modules behind it and its runs in `tmp_path/runs`.

    `registered` is the text of modules.yaml, where it has to say more than names.
    """

    @asynccontextmanager
    async def start(
        *modules: ScriptedModule, options: dict[str, Any] | None = None, registered: str | None = None, **settings: Any
    ) -> AsyncIterator[httpx2.AsyncClient]:
        file = tmp_path / "modules.yaml"
        # A module in this process is there; on a busy machine, its health check may take longer than one is given.
        usual = {"ready_timeout_s": 30}
        file.write_text(registered or modules_yaml([module.name for module in modules], **(usual | (options or {}))))
        configured = Settings(**{"modules_file": file, "runs_dir": tmp_path / "runs", "_env_file": None, **settings})
        app = create_app(configured, transport(*modules))
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app, raise_app_exceptions=False), base_url="http://ops.localhost"
            ) as client,
        ):
            yield client

    return start


@pytest.fixture
def read_run(tmp_path: Path) -> ReadRun:
    """Read a JSON document of a run folder."""

    def read(run_id: str, name: str) -> Any:
        return json.loads((tmp_path / "runs" / run_id / name).read_bytes())

    return read


@pytest.fixture(scope="session")
def example_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of the shipped example, to be read only."""
    return recorded_run.run(tmp_path_factory.mktemp("example"), recorded_run.scenario())
