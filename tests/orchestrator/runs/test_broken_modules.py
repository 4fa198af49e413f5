"""What becomes of a run whose module breaks a requirement that concerns answers: a failed step that names it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from module_transport import Httpx2Transport

from ops_orchestrator.service.app import create_app
from ops_orchestrator.settings import Settings
from ops_stubs.app import create_app as create_stub
from ops_stubs.catalogue import STUBS
from ops_stubs.faults import Faults

pytestmark = pytest.mark.anyio

MODULE: Final = "data-layer"
GOOD: Final = {"country": "DR", "time_horizon_years": 5, "policy_parameters": {"vat_rate": 0.18}}
REFUSED: Final = {**GOOD, "country": "Atlantis"}

SEEN_WITH: Final[Mapping[str, Mapping[str, Any]]] = {
    "OPS-EXE-001": GOOD,
    "OPS-EXE-002": GOOD,
    "OPS-EXE-003": GOOD,
    "OPS-EXE-004": GOOD,
    "OPS-EXE-006": GOOD,
    "OPS-ERR-002": REFUSED,
    "OPS-ERR-008": REFUSED,
    "OPS-ART-001": GOOD,
    "OPS-ART-002": GOOD,
    "OPS-ART-003": GOOD,
    "OPS-ART-004": GOOD,
    "OPS-ART-005": GOOD,
    "OPS-EVD-001": GOOD,
    "OPS-EVD-002": GOOD,
}
"""Every requirement that the answer to an execute can break by itself, and the inputs of a call that shows it."""


async def run_with(folder: Path, violated: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of an orchestrator in `folder`, of one step whose module breaks the requirement."""
    (folder / "modules.yaml").write_text(f"modules:\n  {MODULE}: {{url: 'http://stub', ready_timeout_s: 0}}\n")
    settings = Settings(modules_file=folder / "modules.yaml", runs_dir=folder / "runs", _env_file=None)
    app = create_app(settings, Httpx2Transport(httpx2.ASGITransport(create_stub(STUBS[MODULE], faults=Faults((violated,))))))
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://ops.localhost") as client,
    ):
        asked = {"scenario_id": "broken", "modules": [MODULE], "inputs": inputs}
        answer: dict[str, Any] = (await client.post("/plan_and_execute", json=asked)).json()
    return answer


def files_below(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("violated", SEEN_WITH)
async def test_answer_that_breaks_a_requirement_fails_the_step_by_its_name(tmp_path: Path, violated: str) -> None:
    answer = await run_with(tmp_path, violated, SEEN_WITH[violated])
    assert (answer["status"], answer["error"]["module"]) == ("failed", MODULE)
    assert answer["error"]["requirement"] == violated, answer["error"]["message"]


@pytest.mark.parametrize("violated", SEEN_WITH)
async def test_answer_that_breaks_a_requirement_leaves_its_exchange_and_nothing_else(tmp_path: Path, violated: str) -> None:
    run_id = (await run_with(tmp_path, violated, SEEN_WITH[violated]))["run_id"]
    written = files_below(tmp_path)
    outside = {file for file in written if not file.startswith(f"runs/{run_id}/")}
    assert {file for file in outside if not file.startswith("runs/.")} == {"modules.yaml"}
    assert not {file for file in written if "/artifacts/" in file}


@pytest.mark.parametrize("violated", ["OPS-HLT-001", "OPS-HLT-002"])
async def test_health_that_breaks_a_requirement_fails_the_step(tmp_path: Path, violated: str) -> None:
    answer = await run_with(tmp_path, violated, GOOD)
    assert (answer["status"], answer["error"]["module"]) == ("failed", MODULE)
    assert "/health" in answer["error"]["message"]
