"""What a command loads before it does its work; a library that it does not need would be time that everybody waits."""

import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from subprocess import PIPE

import pytest
from command_line import ops
from local_service import ROOT, command, environment, started

pytestmark = pytest.mark.slow

SERVICE = {"aiohttp", "fastapi", "starlette", "structlog", "uvicorn"}
CLIENT = {"httpx2"}
SIGNING = {"cryptography"}
PAGES = {"fastapi_swagger", "jinja2", "markdown_it", "nh3", "ops_orchestrator.service.pages.site"}
COMMANDS = {"asyncio", "jsonata", "pydantic_settings", "rich", "sqlite3", "yaml"}
CLUSTER = {"obstore", "procrastinate", "psycopg"}
UNUSED_BY_SERVICE = {
    *CLUSTER,
    *PAGES,
    "google.protobuf",
    "opentelemetry.exporter",
    "opentelemetry.sdk",
    "prometheus_client",
    "ops_orchestrator.cli.display",
    "ops_orchestrator.notebook",
    "ops_orchestrator.workbench",
}


def loaded(log: str) -> set[str]:
    """The modules in what Python writes to standard error when PYTHONPROFILEIMPORTTIME is set."""
    return {line.rpartition("|")[2].strip() for line in log.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize(
    ("words", "unneeded"),
    [
        ("--help", SERVICE | CLIENT | COMMANDS | SIGNING | PAGES | CLUSTER),
        ("runs list", SERVICE | CLIENT | SIGNING | PAGES | CLUSTER),
    ],
)
def test_command_loads_nothing_that_only_others_need(tmp_path: Path, words: str, unneeded: set[str]) -> None:
    (tmp_path / "runs").mkdir()
    given = environment(PYTHONPROFILEIMPORTTIME="1")
    typed = [command("ops"), *words.split()]
    ran = subprocess.run(typed, cwd=tmp_path, env=given, capture_output=True, text=True, check=True)
    assert "typer" in loaded(ran.stderr)
    assert loaded(ran.stderr) & unneeded == set()


def test_package_itself_loads_nothing_that_stands_behind_its_names(tmp_path: Path) -> None:
    given = environment(PYTHONPROFILEIMPORTTIME="1")
    typed = [sys.executable, "-c", "import ops_orchestrator"]
    ran = subprocess.run(typed, cwd=tmp_path, env=given, capture_output=True, text=True, check=True)
    assert "ops_orchestrator" in loaded(ran.stderr)
    assert loaded(ran.stderr) & (SERVICE | CLIENT | COMMANDS | {"pandas", "pydantic", "typer"}) == set()


def test_service_listens_before_it_loads_what_few_requests_need(tmp_path: Path) -> None:
    given = {"OPS_MODULES_FILE": str(ROOT / "modules.yaml"), "PYTHONPROFILEIMPORTTIME": "1"}
    with started(tmp_path, "ops", "serve", "--port", "0", stdout=PIPE, stderr=PIPE, **given) as process:
        log = "".join(takewhile(lambda line: "service.listening" not in line, process.stderr or ()))
    assert loaded(log) >= SERVICE
    assert loaded(log) & (UNUSED_BY_SERVICE | CLIENT | SIGNING) == set()


def test_command_is_listed_with_the_first_sentence_of_its_own_help(tmp_path: Path) -> None:
    listed = ops(tmp_path, "--help").stdout.partition("Commands:\n")[2].splitlines()
    summaries = dict(line.split(maxsplit=1) for line in listed)
    helps = {name: " ".join(ops(tmp_path, name, "--help").stdout.split()) for name in summaries}
    assert "serve" in summaries
    assert [name for name, summary in summaries.items() if f" {summary} " not in helps[name]] == []
