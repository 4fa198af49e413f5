"""What the tests of the stubs share: requests, clients without a network, and one run of all stubs."""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from local_service import started
from recorded_run import run, scenario

from ops_contract import Artifact, ExecuteRequest
from ops_stubs.catalogue import STUBS
from ops_stubs.module import Result

SEED_INPUTS = {"country": "DR", "time_horizon_years": 5, "policy_parameters": {"vat_rate": 0.18}}

MakeBody = Callable[..., dict[str, Any]]
MakeRequest = Callable[..., ExecuteRequest]
Serve = Callable[..., AbstractContextManager[tuple["Popen[str]", int]]]
Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def body() -> MakeBody:
    """Makes the body of an execute request; a field that is None is left out."""

    def make(**fields: Any) -> dict[str, Any]:
        usual = {
            "contract_version": "1.0",
            "run_id": "run_2026-01-09T12-34-56Z_ab12cd",
            "step_id": "the-step",
            "scenario_id": "demo-scenario-001",
            "action": "execute",
            "inputs": SEED_INPUTS,
            "upstream": {},
            "options": {"seed": 42},
        }
        return {name: value for name, value in (usual | fields).items() if value is not None}

    return make


@pytest.fixture(scope="session")
def ask(body: MakeBody) -> MakeRequest:
    """Makes the request that an action gets."""

    def make(**fields: Any) -> ExecuteRequest:
        return ExecuteRequest.model_validate(body(**fields))

    return make


@pytest.fixture(scope="session")
def upstream_of() -> Callable[[str, Result], dict[str, Any]]:
    """Turns what an action found into what later steps see of it."""

    def make(module: str, result: Result) -> dict[str, Any]:
        refs = [Artifact.of(file.name, file.media_type, file.content).ref for file in result.artifacts]
        return {
            "module": module,
            "outputs": json.loads(json.dumps(result.outputs)),
            "artifacts": [ref.model_dump(mode="json") for ref in refs],
            "evidence": [evidence.model_dump(mode="json", exclude_unset=True) for evidence in result.evidence],
        }

    return make


@pytest.fixture(scope="session")
def run_all(ask: MakeRequest, upstream_of: Callable[[str, Result], dict[str, Any]]) -> Callable[..., dict[str, Result]]:
    """Runs the named stubs one after the other, as a scenario does, each with what came before."""

    def run(inputs: dict[str, Any], modules: list[str] | None = None, seed: int = 42) -> dict[str, Result]:
        results: dict[str, Result] = {}
        upstream: dict[str, Any] = {}
        for name in modules or list(STUBS):
            request = ask(step_id=name, inputs=inputs, upstream=upstream, options={"seed": seed})
            results[name] = STUBS[name].actions["execute"](request)
            upstream[name] = upstream_of(name, results[name])
        return results

    return run


@pytest.fixture(scope="session")
def raised(run_all: Callable[..., dict[str, Result]]) -> dict[str, Result]:
    """One run of all six stubs in which VAT is raised."""
    return run_all({"country": "DR", "time_horizon_years": 5, "policy_parameters": {"vat_rate": 0.2}})


@pytest.fixture(scope="session")
def connect() -> Connect:
    """Opens a client to an application in this process; no network, no lifespan."""

    @asynccontextmanager
    async def open_client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://stub", timeout=None) as client:
            yield client

    return open_client


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of the shipped example; not to be changed."""
    return run(tmp_path_factory.mktemp("recorded"), scenario())


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Starts `ops-stubs serve` with arguments and environment on a free port, and gives the process and the port."""

    @contextmanager
    def serving(*arguments: str, **variables: str) -> Iterator[tuple["Popen[str]", int]]:
        folder = tmp_path_factory.mktemp("serve")
        with started(folder, "ops-stubs", "serve", *arguments, "--port", "0", stdout=PIPE, stderr=PIPE, **variables) as process:
            assert process.stdout is not None
            found = re.search(r":(\d+)$", process.stdout.readline())
            assert found, "the stub did not start"
            yield process, int(found[1])

    return serving
