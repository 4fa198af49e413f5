"""The progress of a sweep: a bar on a terminal, else a line on standard error for each tenth of it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any, Final

from rich.progress import BarColumn, Progress, TextColumn

from ops_contract.command_line import say
from ops_orchestrator.cli.display import plain
from ops_orchestrator.cli.sweep_display import progress_text

_PAUSES_S: Final = (0.1, 0.5)
_TENTHS: Final = 10


async def sweep_ended(sweep: Callable[[str], Awaitable[dict[str, Any]]], sweep_id: str, *, visibly: bool) -> dict[str, Any]:
    """A sweep once it is over; until then, `sweep` says how far it is, which is displayed."""
    bar = Progress(BarColumn(bar_width=30), TextColumn("{task.fields[text]}", markup=False), transient=True)
    task = bar.add_task("", text="")
    tenth, pause_s = 0, _PAUSES_S[0]
    with bar if visibly else nullcontext():
        while (found := await sweep(sweep_id))["status"] == "running":
            total, done = found["points"]["total"], found["points"]["completed"] + found["points"]["failed"]
            bar.update(task, total=total, completed=done, text=plain(progress_text(found)).plain)
            if not visibly and done * _TENTHS // total > tenth:
                tenth = done * _TENTHS // total
                say("ops", progress_text(found))
            await asyncio.sleep(pause_s)
            pause_s = _PAUSES_S[1]
    return found
