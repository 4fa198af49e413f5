"""The stack with modules that do not speak the contract, as examples/adapters starts it."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from compose_stack import MakeStack, Stack
from local_service import ROOT

SCENARIO = (ROOT / "examples" / "adapters" / "scenario.json").read_bytes()
STEPS = ["data-layer", "growth", "inflation", "forecast", "simulation", "policy-simulator"]
STEPS += ["supplychain-risk", "dr-anticorruption", "report", "archive"]
STEPS += ["assessment", "assessment-of-trade", "review", "decision", "decision-on-trade"]


@pytest.fixture(scope="module")
def adapted(stack: Stack, make_stack: MakeStack) -> Iterator[Stack]:
    assert stack.project  # built first, so that only the legacy service is left to build
    services = ["orchestrator", "data-layer", "policy-simulator", "supplychain-risk", "dr-anticorruption", "legacy"]
    with make_stack("examples/adapters/compose.yaml", build=True, services=services) as made:
        yield made


@pytest.fixture(scope="module")
def answers(adapted: Stack) -> list[dict[str, Any]]:
    """Two runs of the example."""
    return [adapted.post(SCENARIO).json() for _ in range(2)]


def folder_of(adapted: Stack, answer: dict[str, Any]) -> Path:
    return adapted.runs / str(answer["run_id"])


def test_every_shape_of_module_does_its_step_and_the_folder_is_complete(adapted: Stack, answers: list[dict[str, Any]]) -> None:
    answer = answers[0]
    assert answer["status"] == "completed", answer
    assert list(answer["results"]) == STEPS
    folder = folder_of(adapted, answer)
    subprocess.run(["sha256sum", "--check", "--quiet", "manifest-sha256.txt"], cwd=folder, check=True)
    kept = {str(path.relative_to(folder / "artifacts")) for path in (folder / "artifacts").rglob("*") if path.is_file()}
    assert kept == {
        "archive/index.txt",
        "archive/summary.json",
        "data-layer/indicators.csv",
        "policy-simulator/brief.md",
        "report/policy-report.pdf",
        "simulation/paths.csv",
    }
    for number, step in enumerate(STEPS[1:], start=2):
        assert (folder / "steps" / f"{number}-{step}" / "mapped-request.json").is_file()


def test_two_runs_have_files_of_their_own_and_the_same_result(adapted: Stack, answers: list[dict[str, Any]]) -> None:
    files = [folder_of(adapted, answer) / "artifacts/archive/summary.json" for answer in answers]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].stat().st_ino != files[1].stat().st_ino
    prints = [adapted.get(f"/runs/{answer['run_id']}")["fingerprints"] for answer in answers]
    assert prints[0] == prints[1]


def test_orchestrator_reads_the_shared_volume_and_cannot_write_to_it(adapted: Stack) -> None:
    mounts = adapted.get_config()["services"]["orchestrator"]["volumes"]
    (shared,) = [mount for mount in mounts if mount["target"] == "/var/openpolicystack/artifacts"]
    assert shared["read_only"] is True


def test_module_can_be_tried_inside_the_stack(adapted: Stack, answers: list[dict[str, Any]]) -> None:
    # As the owner of the runs: the container's own root has no right to look into another user's folder.
    inside = ["exec", "-T", "--user", str(adapted.runs.stat().st_uid), "orchestrator"]
    tried = json.loads(adapted.compose(*inside, "ops", "modules", "try", "archive", "--run", answers[0]["run_id"]))
    assert tried["error"] is None
    assert [artifact["name"] for artifact in tried["envelope"]["artifacts"]] == ["summary.json", "index.txt"]


def test_adapted_module_that_is_gone_is_named_with_its_address(adapted: Stack, answers: list[dict[str, Any]]) -> None:
    assert answers  # made while it was there
    adapted.compose("stop", "legacy")
    error = adapted.post(SCENARIO).json()["error"]
    assert (error["step"], error["module"]) == ("growth", "indicators")
    # The name of a stopped container is unknown to some engines, and others look for it until the time is over.
    assert error["code"] in ("MODULE_NOT_READY", "MODULE_TIMEOUT")
    assert "http://legacy:8080" in error["message"]
