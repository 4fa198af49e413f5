"""Two versions of a module compared: what the version changed, without what a module changes by itself."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from ops_contract.compliance.compare import Comparison, compare
from ops_contract.compliance.reports.terminal_comparison import brief_comparison, terminal_comparison

pytestmark = pytest.mark.anyio

HEALTH = {"status": "ok", "module": "m", "version": "1", "contract_versions": ["1.0"], "profiles": [], "actions": ["execute"]}
Execute = Callable[[dict[str, Any], int], dict[str, Any]]


@asynccontextmanager
async def module(execute: Execute) -> AsyncIterator[str]:
    """A module that answers a request, and the number of it, with these fields of a success envelope."""
    numbers = itertools.count()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body: dict[str, Any] = HEALTH
        if head.startswith(b"POST"):
            length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            request = json.loads(await reader.readexactly(length))
            body = {"status": "success", "module": "m", **execute(request, next(numbers))}
        sent = json.dumps(body).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(sent), sent))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def compared(old: Execute, new: Execute) -> Comparison:
    async with module(old) as one, module(new) as other:
        return await compare(one, other, None)


def shown(comparison: Comparison, at_length: str | None = "ops-contract compare A B -v", width: int = 80) -> list[str]:
    file = StringIO()
    Console(file=file, width=width).print(terminal_comparison(comparison, at_length))
    return file.getvalue().splitlines()


def restless(gdp: float) -> Execute:
    """What a module changes by itself: the run, a figure without a seed, the name of a file and the times."""

    def execute(request: dict[str, Any], number: int) -> dict[str, Any]:
        run_id = request["run_id"]
        source = {"kind": "dataset", "title": "Census", "observed_at": f"2026-01-0{number + 1}T00:00:00Z"}
        return {
            "outputs": {"kpis": {"gdp": gdp, "random": gdp * 100 + number}, "run": {"id": run_id}},
            "artifacts": [{"name": f"{run_id}.csv", "sha256": "ab" * 32}, {"name": "plot.png", "sha256": "cd" * 32}],
            "evidence": [{"id": "census", **source}, {"id": f"e-{number}-{gdp}", **source}],
            "meta": {"duration_ms": number},
        }

    return execute


async def test_what_a_module_changes_by_itself_is_left_out_and_told() -> None:
    found = await compared(restless(1.2), restless(1.3))
    assert [one.sentence() for one in found.changes] == ["/outputs/kpis/gdp: 1.2 became 1.3"]
    assert {one.label() for one in found.left_out} >= {"/outputs/kpis/random", "/outputs/run/id", "evidence e-0-1.2"}
    assert {one.sides for one in found.left_out if one.what == "output"} == {"both"}
    assert [one.label() for one in found.equal] == ["artifact plot.png", "evidence census"]
    assert any(line.startswith("Left out, since it differs between two equal requests to one side: ") for line in shown(found))


async def test_equal_modules_that_are_random_give_the_same_answers() -> None:
    found = await compared(restless(1.2), restless(1.2))
    assert (found.changes, found.failed) == ((), {})
    assert shown(found)[-1].startswith("the same answers, ")
    left_out = f"; left out: {len(found.left_out)} that a side changes by itself\n"
    assert brief_comparison(found, "ops-contract compare A B") == f"the answers of old 1 and new 1 are the same{left_out}"


async def test_new_part_with_a_random_value_inside_is_a_change_nevertheless() -> None:
    found = await compared(lambda *_: {"outputs": {}}, lambda _, number: {"outputs": {"new": {"random": number, "fixed": 1}}})
    assert [one.sentence() for one in found.changes] == ['/outputs/new: {"random": 0, "fixed": 1} is new']


async def test_side_that_fails_at_the_second_time_cannot_be_compared() -> None:
    found = await compared(lambda *_: {"outputs": {}}, lambda _, number: {"outputs": {}} if number == 0 else {})
    assert found.failed == {"execute": "new: 200 without outputs"}
    assert shown(found)[-1] == "1 action not compared · ops-contract compare A B -v"


async def test_evidence_and_artifacts_are_compared_by_their_names() -> None:
    def version(title: str, uri: str, digest: str) -> Execute:
        evidence = [{"id": "e1", "kind": "k", "title": title}, {"id": "e2", "kind": "k", "title": "same", "uri": uri}]
        return lambda *_: {"outputs": {}, "evidence": evidence, "artifacts": [{"name": "a.csv", "sha256": digest * 32}]}

    found = await compared(version("old", "u1", "ab"), version("new", "u2", "cd"))
    assert [one.sentence() for one in found.changes] == [
        "artifact a.csv: sha256 abababababab became cdcdcdcdcdcd",
        'evidence e1: "old" became "new"',
        'evidence e2/uri: "u1" became "u2"',
    ]
    assert found.as_json()["equal"] == {"output": 0, "artifact": 0, "evidence": 0}


@pytest.fixture
async def many() -> Comparison:
    """66 differences, in 65 years of a series and in one figure, among 136 values."""

    def version(number: int) -> Execute:
        path = [{"year": year, "gdp": number + year} for year in range(65)]
        return lambda *_: {"outputs": {"path": path, "fixed": dict.fromkeys("abcde", 1), "kpis": {"gdp": number}}}

    found = await compared(version(1), version(2))
    assert len(found.changes) == 66
    return found


async def test_many_differences_are_summarised_and_the_last_line_says_how_to_see_all(many: Comparison) -> None:
    lines = shown(many)
    assert len(lines) < 24
    assert "  /outputs/kpis/gdp: 1 became 2" in lines
    assert [line.strip() for line in lines[-4:-1]] == ["... and 54 more:", "54 in /outputs/path", ""]
    assert lines[-1] == "66 differences; equal: 70 values · ops-contract compare A B -v"


async def test_everything_is_listed_on_request(many: Comparison) -> None:
    lines = shown(many, at_length=None)
    assert sum(" became " in line for line in lines) == 66
    assert sum(line.startswith("  = /outputs/") for line in lines) == 70
    assert lines[-1] == "66 differences; equal: 70 values"


async def test_nothing_that_a_module_says_is_obeyed_by_the_terminal() -> None:
    hostile = "\x1b[2J[bold]"
    found = await compared(lambda *_: {"outputs": {hostile: hostile}}, lambda *_: {"outputs": {}})
    assert all(line.isprintable() for line in shown(found))
    assert any("[bold]" in line for line in shown(found))
