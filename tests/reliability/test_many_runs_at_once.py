"""Many runs at once, against modules that take their time: each completes, and the service goes on answering."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Final

import httpx2
import pytest
from command_line import ops
from reliability.service_home import ServiceHome, module_server

pytestmark = pytest.mark.slow

RUNS: Final = 200
SCENARIO: Final = {"scenario_id": "crowd", "modules": ["second"]}
# Each has its turn at once: one that had to wait would be refused.
AT_ONCE: Final = {"OPS_MAX_CONCURRENT_RUNS": str(RUNS), "OPS_MAX_QUEUED_RUNS": "0"}


async def crowd(url: str) -> tuple[Counter[tuple[int, str]], Counter[int]]:
    """How the runs ended that were asked for at once, and what the service said of its health until the last of them had."""
    healthy: Counter[int] = Counter()
    # Nothing here is reached through TLS, and a busy machine may take its time.
    async with httpx2.AsyncClient(
        base_url=url, timeout=None, verify=False, limits=httpx2.Limits(max_connections=None)
    ) as client:
        runs = [asyncio.create_task(client.post("/plan_and_execute", json=SCENARIO)) for _ in range(RUNS)]
        while not all(run.done() for run in runs):
            healthy[(await client.get("/health")).status_code] += 1
        answers = [run.result() for run in runs]
    return Counter((answer.status_code, answer.json().get("status", answer.text)) for answer in answers), healthy


def test_two_hundred_runs_at_once_all_complete_and_the_service_is_healthy_meanwhile(tmp_path: Path) -> None:
    with module_server() as modules:
        home = ServiceHome(tmp_path / "home", modules)
        with home.serving(**AT_ONCE) as (_, url):
            assert url is not None
            ended, healthy = asyncio.run(crowd(url))
            home.examine(url)
    assert ended == {(200, "completed"): RUNS}
    assert set(healthy) == {200}
    assert home.findings.broken == {}
    verified = ops(home.folder, "runs", "verify", "--all")
    assert (verified.returncode, verified.stdout.count('"intact": true')) == (0, RUNS)
