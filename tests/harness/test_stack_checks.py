"""The tests that come with the harness where they fail; test_wheels.py has them pass, on the stack of an installation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from local_service import ROOT, service
from team_repository import TeamRepository

pytestmark = pytest.mark.slow

CHECKS: Final = ("--pyargs", "ops_harness.stack_checks")
EXAMPLE: Final = ROOT / "examples/plan_and_execute.request.json"


@pytest.fixture
def repository(tmp_path: Path) -> TeamRepository:
    (tmp_path / "scenario.json").write_bytes(EXAMPLE.read_bytes())
    return TeamRepository(tmp_path)


@pytest.fixture
def random_module(tmp_path: Path) -> Iterator[str]:
    """A module whose results are never the same."""
    words = ("ops-stubs", "serve", "policy-simulator", "--violate", "OPS-DET-001", "--port", "0")
    with service(tmp_path, *words) as (_, url):
        yield url


def test_module_that_is_not_deterministic_fails_with_what_differs(repository: TeamRepository, random_module: str) -> None:
    words = ("--ops-with", f"policy-simulator={random_module}", "--ops-scenario", "scenario.json", "--junitxml", "junit.xml")
    ran = repository.test(*CHECKS, *words)
    assert ran.returncode == 1
    assert "policy-simulator is the first step whose result differs" in ran.stdout
    assert "[scenario.json]" in (repository.folder / "junit.xml").read_text()
