"""Documents that follow the contract and use every field of it, to be changed by the tests; and where its files are."""

from pathlib import Path
from typing import Any

import pytest

from ops_contract import Artifact


@pytest.fixture
def contract_folder() -> Path:
    """The folder with SPEC.md, README.md and the schemas."""
    return Path(__file__).parents[2] / "contract"


@pytest.fixture
def health() -> dict[str, Any]:
    return {
        "status": "ok",
        "module": "policy-simulator",
        "version": "0.1.0",
        "contract_versions": ["1.0"],
        "profiles": ["artifacts"],
        "actions": ["execute"],
    }


@pytest.fixture
def execute_request(artifact: dict[str, Any], evidence: dict[str, Any]) -> dict[str, Any]:
    reference = {key: value for key, value in artifact.items() if key != "text"}
    return {
        "contract_version": "1.0",
        "run_id": "run_2026-01-09T12-34-56Z_ab12cd",
        "step_id": "strategy-agent",
        "scenario_id": "demo-scenario-001",
        "action": "execute",
        "inputs": {"country": "DR"},
        "upstream": {
            "policy-simulator": {
                "module": "policy-simulator",
                "outputs": {"kpis": {"gdp_growth": 0.02}},
                "artifacts": [reference],
                "evidence": [evidence],
            }
        },
        "options": {"seed": 42, "deadline_s": 60},
    }


@pytest.fixture
def artifact() -> dict[str, Any]:
    return Artifact.of("kpis.json", "application/json", b"{}").model_dump(mode="json", exclude_unset=True)


@pytest.fixture
def evidence() -> dict[str, Any]:
    return {
        "id": "e1",
        "kind": "computation",
        "title": "The model",
        "uri": "https://example.org/model",
        "supports": ["/kpis/gdp_growth"],
        "artifact": "kpis.json",
        "synthetic": True,
        "observed_at": "2026-01-09T12:34:56Z",
    }


@pytest.fixture
def success(artifact: dict[str, Any], evidence: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": "success",
        "module": "policy-simulator",
        "version": "0.1.0",
        "contract_version": "1.0",
        "outputs": {"kpis": {"gdp_growth": 0.02}, "series": [1, 2, 3], "a/b": {"m~n": 1}},
        "artifacts": [artifact],
        "evidence": [evidence],
        "warnings": ["the last year is an estimate"],
        "meta": {"duration_ms": 12},
    }


@pytest.fixture
def failure() -> dict[str, Any]:
    return {
        "status": "error",
        "module": "policy-simulator",
        "version": "0.1.0",
        "contract_version": "1.0",
        "error": {
            "code": "INVALID_INPUT",
            "message": "/inputs/vat_rate must be at most 1, not 18; send the rate as a fraction",
            "retryable": False,
            "pointer": "/inputs/vat_rate",
            "details": {"maximum": 1},
        },
        "meta": {},
    }
