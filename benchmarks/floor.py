"""The floor: a run's work without any check, framework or library for HTTP, as cheaply as Python can do it.

Takes a scenario, posts to each of its modules in turn, decodes their artifacts, writes a run folder and answers when it is
on disk. Nothing is validated, hashed or kept beyond seven files; an answer that is not as expected ends the connection.
"""

import asyncio
import base64
import os
import secrets
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import orjson
import uvloop
from group_commit import GroupCommit
from http_messages import Messages, ok, post

LINES_OF_STEP: Final = ("step.started", "module.ready", "request.sent", "response.received", "step.completed")


class ModuleConnection(asyncio.Protocol):
    """A kept connection to the modules, on which one request at a time is answered."""

    def __init__(self) -> None:
        self._messages = Messages()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the writing end."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand over the answer when it is complete."""
        for message in self._messages.feed(data):
            self._answer.set_result(message.body)

    async def send(self, request: bytes) -> bytes:
        """The body of the answer."""
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


class Floor:
    """One process of the program: its run folders, its connections to the modules, and its group commit."""

    def __init__(self, runs: Path, module_port: int) -> None:
        self._runs = runs
        self._module_port = module_port
        self._idle: list[ModuleConnection] = []
        self._commit = GroupCommit(runs)

    async def run(self, body: bytes) -> bytes:
        """Make one run and return the answer to its caller."""
        scenario = orjson.loads(body)
        run_id = f"run_{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}_{secrets.token_hex(4)}"
        answers: dict[str, Any] = {}
        for module in scenario["modules"]:
            answers[module] = await self._execute(module, run_id, scenario, answers)
        answer = answer_of(run_id, answers)
        write_folder(f"{self._runs}/{run_id}", run_id, body, answer, answers)
        await self._commit.durable()
        return answer

    async def _execute(self, module: str, run_id: str, scenario: Any, upstream: Mapping[str, Any]) -> Any:
        step = {"contract_version": "1.0", "run_id": run_id, "step_id": module, "scenario_id": scenario["scenario_id"]}
        known = {step_id: {"module": step_id, "outputs": answer["outputs"]} for step_id, answer in upstream.items()}
        call = {**step, "action": "execute", "inputs": scenario["inputs"], "upstream": known, "options": {"seed": 0}}
        connection = self._idle.pop() if self._idle else await self._connect()
        answered = await connection.send(post(f"/{module}/execute", orjson.dumps(call)))
        self._idle.append(connection)
        return orjson.loads(answered)

    async def _connect(self) -> ModuleConnection:
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(ModuleConnection, "127.0.0.1", self._module_port))[1]


class Caller(asyncio.Protocol):
    """A connection from a caller, who waits for each run before the next."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._messages = Messages()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the writing end."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Start the run that is asked for."""
        for message in self._messages.feed(data):
            self._run = asyncio.ensure_future(self._answer(message.body))

    async def _answer(self, body: bytes) -> None:
        try:
            self._transport.write(ok(await self._floor.run(body)))
        except Exception:  # noqa: BLE001  # whatever it is, the caller would wait for ever
            traceback.print_exc()
            self._transport.abort()


def answer_of(run_id: str, answers: Mapping[str, Any]) -> bytes:
    """The body of the answer, in the form of the orchestrator's."""
    names = {step: [artifact["name"] for artifact in answer["artifacts"]] for step, answer in answers.items()}
    results = {step: {**answer["outputs"], "artifacts": names[step]} for step, answer in answers.items()}
    plan = [{"step": number, "module": step, "action": "execute"} for number, step in enumerate(answers, 1)]
    return orjson.dumps({"run_id": run_id, "status": "completed", "plan": plan, "results": results})


def write_folder(folder: str, run_id: str, request: bytes, answer: bytes, answers: Mapping[str, Any]) -> None:
    """Write request, answer, results, log and artifacts."""
    os.mkdir(folder)  # noqa: PTH102  # paths as text take a third of the time
    os.mkdir(f"{folder}/artifacts")  # noqa: PTH102
    for step, envelope in answers.items():
        os.mkdir(f"{folder}/artifacts/{step}")  # noqa: PTH102
        for artifact in envelope["artifacts"]:
            content = base64.b64decode(artifact["data"]) if "data" in artifact else artifact["text"].encode()
            write_file(f"{folder}/artifacts/{step}/{artifact['name']}", content)
    write_file(f"{folder}/request.json", request)
    write_file(f"{folder}/run.json", answer)
    kept = {step: {"outputs": envelope["outputs"], "evidence": envelope["evidence"]} for step, envelope in answers.items()}
    write_file(f"{folder}/results.json", orjson.dumps(kept))
    write_file(f"{folder}/logs.jsonl", log(run_id, list(answers)))


def log(run_id: str, steps: list[str]) -> bytes:
    """Twelve lines for two steps."""
    events = ["run.started", *(event for _ in steps for event in LINES_OF_STEP), "run.ended"]
    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    fixed = {"timestamp": at, "level": "info", "service": "floor", "run_id": run_id}
    return b"".join(orjson.dumps({"seq": seq, **fixed, "event": event}) + b"\n" for seq, event in enumerate(events, 1))


def write_file(path: str, content: bytes) -> None:
    """Write a file by three system calls."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(descriptor, content)
    os.close(descriptor)


async def serve(port: int, runs: Path, module_port: int) -> None:
    """Serve until the process is ended; the workers share the port, and the kernel spreads connections over them."""
    floor = Floor(runs, module_port)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Caller(floor), "127.0.0.1", port, backlog=2048, reuse_port=True)
    await server.serve_forever()


if __name__ == "__main__":
    own_port, runs_dir, modules_port, workers = sys.argv[1:]
    for _ in range(int(workers) - 1):
        if not os.fork():
            break
    uvloop.run(serve(int(own_port), Path(runs_dir), int(modules_port)))
