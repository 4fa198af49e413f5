"""The address of the orchestrator given in place of a module's: every command says so, and what to give instead."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kit_terminal import kit_on_terminal, lines_left
from local_service import command, environment, service

from ops_contract.compliance.orchestrator import orchestrator_at

pytestmark = pytest.mark.slow

MODULES = """
modules:
  policy-simulator: {url: "http://127.0.0.1:9/policy"}
  legacy: {url: "http://127.0.0.1:9/legacy", adapter: {actions: {execute: {path: /run, outputs: response.body}}}}
"""
INSTEAD = [
    "Give the address of a module; those that it calls, as it reaches them:",
    "policy-simulator: ops-contract check http://127.0.0.1:9/policy",
    "legacy, through its adapter: ops modules check legacy",
]


@pytest.fixture(scope="module")
def orchestrator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("orchestrator")
    (folder / "modules.yaml").write_text(MODULES)
    with service(folder, "ops", "serve", "--port", "0", OPS_MODULES_FILE="modules.yaml") as (_, url):
        yield url


@pytest.mark.parametrize("words", [("check",), ("check", "--json"), ("replay", "OPS-EXE-001")])
def test_it_is_not_checked_and_the_modules_are_named(words: tuple[str, ...], orchestrator: str) -> None:
    code, shown = kit_on_terminal(200, *words, orchestrator)
    told = f"ops-contract: {orchestrator} is the orchestrator, which calls modules, and not a module."
    assert [line.strip() for line in lines_left(shown)] == [told, *INSTEAD]
    assert code == 2


def test_doctor_says_so_with_commands_to_try(orchestrator: str) -> None:
    code, shown = kit_on_terminal(200, "doctor", orchestrator)
    lines = lines_left(shown)
    assert (code, lines[0]) == (1, "✗ This is the orchestrator, which calls modules, and not a module.")
    assert [line.removeprefix("→ ").strip() for line in lines[2:]] == [
        line.replace("check http", "doctor http") for line in INSTEAD
    ]


def test_compare_says_so(orchestrator: str) -> None:
    ran = subprocess.run(
        [command("ops-contract"), "compare", orchestrator, orchestrator],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert f"{orchestrator} is the orchestrator" in ran.stderr
    assert "policy-simulator: http://127.0.0.1:9/policy" in ran.stderr


def test_pytest_says_so_once(orchestrator: str, tmp_path: Path) -> None:
    words = ("-p", "pytest_ops_contract", "--disable-plugin-autoload", "-p", "no:cacheprovider", "--ops-module", orchestrator)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=tmp_path,
        # In CI, pytest says everything once more at its end.
        env=environment(PYTEST_ADDOPTS="", CI=""),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stdout.count("is the orchestrator, which calls modules, and not a module.\n") == 1
    assert "bug of the kit" not in ran.stdout


@asynccontextmanager
async def answering(**answers: object) -> AsyncIterator[str]:
    """A server that answers these paths, and others with 404."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode().removeprefix("/")
        status, body = ("200 OK", json.dumps(answers[path])) if path in answers else ("404 Not Found", "{}")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


HEALTH = {"status": "ok", "module": "orchestrator", "version": "1"}


@pytest.mark.anyio
async def test_module_of_that_name_is_a_module() -> None:
    async with answering(health=HEALTH) as url:
        assert await orchestrator_at(url) is None
    async with answering(health={**HEALTH, "contract_versions": ["1.0"]}, modules={"modules": []}) as url:
        assert await orchestrator_at(url) is None


@pytest.mark.anyio
async def test_list_of_modules_may_be_odd() -> None:
    odd = [7, {"name": "a"}, {"name": "\x1b[2J", "url": "http://b"}, {"name": "c", "url": "file:///etc/passwd"}]
    async with answering(health=HEALTH, modules={"modules": odd}) as url:
        found = await orchestrator_at(url)
    assert found is not None
    assert found.instead("try")[1:] == ("<U+001B>[2J: try http://b",)
    async with answering(health=HEALTH, modules={"modules": []}) as url:
        found = await orchestrator_at(url)
    assert found is not None
    assert found.instead() == ("Give the address of a module, as it stands in modules.yaml.",)
