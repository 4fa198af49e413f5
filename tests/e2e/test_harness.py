"""A session of pytest in another repository, with the stack as containers."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Final

import docker
import pytest
from compose_stack import Stack
from container_engine import engine
from docker.models.containers import Container
from local_service import environment
from team_repository import TeamRepository

from ops_harness.containers import PROJECT_PREFIX

# Those that the stack of these tests is built with.
IMAGES: Final = {
    "OPS_ORCHESTRATOR_IMAGE": "openpolicystack-orchestrator:dev",
    "OPS_STUBS_IMAGE": "openpolicystack-stubs:data-layer",
}


@pytest.fixture
def repository(tmp_path: Path, stack: Stack, example: bytes) -> TeamRepository:
    assert stack.project  # which has built the images
    (tmp_path / "scenario.json").write_bytes(example)
    return TeamRepository(tmp_path, IMAGES)


@pytest.fixture
def containers() -> Iterator[Callable[[int], list[Container]]]:
    """The containers of the session with a process id."""
    with engine() as client:

        def of(process_id: int) -> list[Container]:
            found = client.containers.list(all=True, ignore_removed=True)
            return [one for one in found if str(one.name).startswith(f"{PROJECT_PREFIX}{process_id}-")]

        yield of


def test_stack_of_containers_has_an_image_in_the_place_of_a_stub(repository: TeamRepository, team_image: str) -> None:
    tests = """
        def test_run(ops_run, ops_stub, ops_stack):
            agent = ops_stub("strategy-agent", faults=["status:code=503,retry_after=0,first=1"])
            run = ops_run("scenario.json")
            assert "vat_revenue" in run.outputs["policy-simulator"]["kpis"]  # which the stub does not have
            assert run.artifact("brief.md").read_text()
            assert run.record["steps"][1]["attempts"] == 2
            assert len(agent.executed) == 2
            assert "policy-simulator" not in ops_stack.stubs
            assert (run.folder / "logs.jsonl").stat().st_size

        def test_failure(ops_run):
            ops_run("scenario.json", status="failed")
    """
    repository.write({"test_it.py": tests})
    words = ("--ops-containers", "--ops-with", f"policy-simulator={team_image}", "--ops-dir", "kept")
    ran = repository.test(*words)
    assert "1 failed, 1 passed" in ran.stdout, ran.stdout
    assert "run completed" in ran.stdout
    assert (repository.folder / "kept/logs/containers.log").stat().st_size


def test_image_takes_the_place_of_a_stub_among_processes(repository: TeamRepository, team_image: str) -> None:
    tests = """
        def test_run(ops_run):
            assert "vat_revenue" in ops_run("scenario.json").outputs["policy-simulator"]["kpis"]
    """
    repository.write({"test_it.py": tests})
    ran = repository.test("--ops-with", f"policy-simulator={team_image}")
    assert ran.returncode == 0, ran.stdout


def test_no_container_is_left_of_a_session_that_was_killed(
    repository: TeamRepository, containers: Callable[[int], list[Container]]
) -> None:
    tests = """
        import signal

        def test_that_is_killed(ops_stack):
            print("READY", flush=True)
            signal.pause()
    """
    repository.write({"test_it.py": tests})
    words = repository.pytest("-s", "--ops-containers")
    with Popen(words, cwd=repository.folder, env=environment(**IMAGES), stdout=PIPE, text=True) as killed:
        assert any("READY" in line for line in killed.stdout or ())
        started = containers(killed.pid)
        killed.send_signal(signal.SIGKILL)
    for container in started:
        with contextlib.suppress(docker.errors.NotFound):
            container.wait(condition="removed")
    assert len(started) == 7


def test_image_that_does_not_exist_is_named(repository: TeamRepository) -> None:
    repository.write({"test_it.py": "def test_run(ops_stack): pass"})
    ran = repository.test("--ops-with", "monitor=openpolicystack-none:dev")
    assert ran.returncode == 1
    assert "openpolicystack-none:dev" in ran.stdout
    assert "Traceback" not in ran.stdout
