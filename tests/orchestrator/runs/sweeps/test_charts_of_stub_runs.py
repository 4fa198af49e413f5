"""The charts that a sweep of the policy simulator leaves."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
from drawn_chart import DrawnChart
from module_transport import Httpx2Transport
from recorded_run import scenario

from ops_orchestrator.service.app import create_app
from ops_orchestrator.settings import Settings
from ops_stubs.app import create_all

SWEEP: dict[str, Any] = {
    "parameters": {"/policy_parameters/vat_rate": [0.16, 0.18, 0.2]},
    "labels": {"/policy_parameters/vat_rate": "VAT rate"},
    "units": {"/policy_parameters/vat_rate": "share"},
}


@pytest.mark.slow
async def test_sweep_of_stub_runs_leaves_charts(tmp_path: Path) -> None:
    (tmp_path / "modules.yaml").write_text("modules: {policy-simulator: {url: 'http://stubs/policy-simulator'}}")
    settings = Settings(modules_file=tmp_path / "modules.yaml", runs_dir=tmp_path / "runs", _env_file=None)
    app = create_app(settings, Httpx2Transport(httpx2.ASGITransport(create_all())))
    asked = {**scenario(["policy-simulator"], save_artifacts=False), "sweep": SWEEP}
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ops.localhost") as client,
    ):
        sweep = (await client.post("/sweeps", json=asked, headers={"Prefer": "wait=60"})).json()
        drawn = await client.get(f"/sweeps/{sweep['sweep_id']}/debt_share_gdp-change.svg")
    chart = DrawnChart.read(drawn.text)
    assert {"debt_share_gdp.svg", "debt_share_gdp-change.svg", "gini.svg", "all-figures.svg"} <= set(sweep["files"])
    assert {"Public debt by VAT rate", "VAT rate, %", "synthetic", "the scenario's own value"} <= set(chart.words)
    assert chart.vertices("ln")[0][1] == pytest.approx((18, 0), abs=0.01)
    assert not chart.overlaps()
