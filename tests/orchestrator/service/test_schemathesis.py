"""Schemathesis against the service and a stub: what is made from their OpenAPI documents is answered as these say.

The requests are the same each time. Those that start from the documented example make real runs, whose records, results and
artifacts are asked for then.
"""

import subprocess
from pathlib import Path

import pytest
from local_service import HTTP, ROOT, command, environment, service, stub_addresses

pytestmark = pytest.mark.slow


def schemathesis(folder: Path, url: str) -> None:
    """Call what is described at `url` in all ways that schemathesis knows, and check every answer."""
    configuration = str(ROOT / "tests" / "schemathesis.toml")
    words = ["--config-file", configuration, "run", f"{url}/openapi.json", "--url", url, "--warnings", "off"]
    ran = subprocess.run([command("st"), *words], cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_service_answers_as_its_openapi_document_says(tmp_path: Path, stubs: str) -> None:
    variables = {"OPS_MODULES_FILE": str(ROOT / "modules.yaml"), **stub_addresses(stubs)}
    with service(tmp_path, "ops", "serve", "--port", "0", **variables) as (_, url):
        schemathesis(tmp_path, url)
        assert HTTP.get(f"{url}/runs", params={"status": "completed"}).json()["runs"]
        assert HTTP.get(f"{url}/ready").json() == {"status": "ready", "durability": "sync", "read_only": False}


def test_stub_answers_as_the_contract_s_openapi_document_says(tmp_path: Path, stubs: str) -> None:
    schemathesis(tmp_path, f"{stubs}/strategy-agent")
