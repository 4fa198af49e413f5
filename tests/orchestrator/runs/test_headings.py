"""What runs are called side by side."""

from typing import Any

import pytest
from run_records import record

from ops_orchestrator.runs.headings import headings
from ops_orchestrator.runs.record import RunRecord


def run(number: int, scenario_id: str = "demo", *, seed: int = 42, steps: list[Any] | None = None, **inputs: Any) -> RunRecord:
    request = {"scenario_id": scenario_id, "modules": steps or ["alpha"], "inputs": inputs, "run_options": {"seed": seed}}
    return record(number).model_copy(update={"request": request, "run_id": f"run_2026-01-09T12-34-56Z_00000{number}"})


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([run(1, "low"), run(2, "high", vat=0.2)], ("low", "high")),
        ([run(1, "low"), run(2, vat=0.18), run(3, vat=0.2)], ("low", "demo, vat = 0.18", "demo, vat = 0.2")),
        ([run(1, country="DR", vat=1), run(2, country="DR", vat=2)], ("demo, vat = 1", "demo, vat = 2")),
        ([run(1, vat=1, x=1), run(2, vat=1, x=2), run(3, vat=2, x=3)], ("demo, x = 1", "demo, x = 2", "demo, x = 3")),
        ([run(1, vat=1), run(2, vat=1), run(3, vat=2)], ("demo, vat = 1, 000001", "demo, vat = 1, 000002", "demo, vat = 2")),
        ([run(1, policy={"vat/rate": 1}), run(2, policy={})], ("demo, vat/rate = 1", "demo, no vat/rate")),
        ([run(1, seed=1), run(2, seed=2)], ("demo, seed = 1", "demo, seed = 2")),
        ([run(1, steps=[{"module": "alpha", "inputs": {"k": 1}}]), run(2)], ("demo, k = 1", "demo, no k")),
        ([run(1), run(2)], ("demo, 000001", "demo, 000002")),
        ([run(1), run(2, steps=["alpha", "beta"])], ("demo, 000001", "demo, 000002")),
        ([run(1), run(1)], ("demo, 000001 (1)", "demo, 000001 (2)")),
        ([run(1, name="x" * 1000), run(2, name="y")], (f"demo, name = {'x' * 21}...", "demo, name = y")),
    ],
)
def test_heading_is_the_scenario_and_where_it_repeats_what_varies(runs: list[RunRecord], expected: tuple[str, ...]) -> None:
    assert headings(runs) == expected
