"""The sweeps of examples/sweeps, run on the stubs."""

import csv
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from command_line import ops
from local_service import ROOT, stub_addresses

# A hundred forecasts with their plots.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def run(home: Path, name: str, stubs: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """What `ops sweep` says of an example, and the rows of its table."""
    ran = ops(home, "sweep", str(ROOT / "examples" / "sweeps" / name), "--local", **stub_addresses(stubs))
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    with (home / answer["sweep_path"] / "table.csv").open(encoding="utf-8", newline="") as table:
        return answer, list(csv.DictReader(table))


def test_twenty_vat_rates_with_five_seeds(tmp_path: Path, stubs: str) -> None:
    answer, rows = run(tmp_path, "vat.json", stubs)
    assert (answer["status"], answer["points"]["completed"], answer["notes"]) == ("completed", 100, [])
    assert [row["/policy_parameters/vat_rate"] for row in rows[::5]] == [
        f"{cents / 100:.2f}".rstrip("0") for cents in range(10, 30)
    ]
    assert len({row["run_id"] for row in rows}) == 100
    in_force = [row for row in rows if row["/policy_parameters/vat_rate"] == "0.18"]
    assert {row["policy-simulator/gdp_growth change"] for row in in_force} == {"0.0"}
    for name in (name for name in answer["files"] if name.endswith(".svg")):
        assert ET.parse(tmp_path / answer["sweep_path"] / name).getroot().tag.endswith("svg")  # noqa: S314  # ours
    assert {"gdp_growth.svg", "gdp_growth-change.svg", "all-figures.svg", "table.parquet"} <= set(answer["files"])


def test_two_parameters(tmp_path: Path, stubs: str) -> None:
    answer, rows = run(tmp_path, "two-parameters.json", stubs)
    assert (answer["status"], len(rows), answer["notes"]) == ("completed", 25, [])
    assert "revenue_share_gdp.svg" in answer["files"]
