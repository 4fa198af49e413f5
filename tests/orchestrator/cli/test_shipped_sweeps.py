"""The sweeps of examples/sweeps, run on the stubs at fewer points; test_sweep.py has how many they name."""

import csv
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from command_line import ops
from local_service import ROOT, stub_addresses

pytestmark = pytest.mark.slow

VAT, CIT = "/policy_parameters/vat_rate", "/policy_parameters/cit_rate"


def run(home: Path, name: str, stubs: str, **narrower: Any) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """What `ops sweep` says of an example with fewer points, and the rows of its table; the stub draws a plot for each."""
    shipped = json.loads((ROOT / "examples" / "sweeps" / name).read_bytes())
    (home / name).write_text(json.dumps({**shipped, "sweep": {**shipped["sweep"], **narrower}}))
    ran = ops(home, "sweep", name, "--local", OPS_READY_TIMEOUT_S="600", **stub_addresses(stubs))
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    with (home / answer["sweep_path"] / "table.csv").open(encoding="utf-8", newline="") as table:
        return answer, list(csv.DictReader(table))


def test_vat_rates_with_several_seeds(tmp_path: Path, stubs: str) -> None:
    answer, rows = run(tmp_path, "vat.json", stubs, parameters={VAT: {"from": 0.17, "to": 0.19, "step": 0.01}}, seeds=2)
    assert (answer["status"], answer["points"]["completed"], answer["notes"]) == ("completed", 6, [])
    assert [row[VAT] for row in rows[::2]] == ["0.17", "0.18", "0.19"]
    assert len({row["run_id"] for row in rows}) == 6
    in_force = [row for row in rows if row[VAT] == "0.18"]
    assert {row["policy-simulator/gdp_growth change"] for row in in_force} == {"0.0"}
    for name in (name for name in answer["files"] if name.endswith(".svg")):
        assert ET.parse(tmp_path / answer["sweep_path"] / name).getroot().tag.endswith("svg")  # noqa: S314  # ours
    assert {"gdp_growth.svg", "gdp_growth-change.svg", "all-figures.svg", "table.parquet"} <= set(answer["files"])


def test_two_parameters(tmp_path: Path, stubs: str) -> None:
    answer, rows = run(tmp_path, "two-parameters.json", stubs, parameters={VAT: [0.16, 0.18], CIT: [0.25, 0.27, 0.29]})
    assert (answer["status"], len(rows), answer["notes"]) == ("completed", 6, [])
    assert "revenue_share_gdp.svg" in answer["files"]
