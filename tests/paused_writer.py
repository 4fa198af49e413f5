"""A process that writes a run in a bucket, and is paused by a test meanwhile: `paused_writer.py RUNS_DIR PREFIX`.

It says `written` after the first step, waits for a line, writes the rest, and says how that ended.
"""

import asyncio
import sys
from contextlib import closing
from pathlib import Path

from object_stores import bucket_settings
from run_records import begin

from ops_orchestrator.errors import FencedError
from ops_orchestrator.runs.events import RunEnded
from ops_orchestrator.runs.store.opening import open_store


async def main(folder: Path, prefix: str) -> None:
    """Write a run of two steps, the second of which finds `old`."""
    with closing(open_store(bucket_settings(folder, prefix))) as store:
        run = await begin(store, "alpha", "beta")
        await run.complete(1)
        await run.recorder.durable()
        _say("written")
        await asyncio.to_thread(sys.stdin.readline)
        try:
            await run.complete(2, answer="old")
            await run.recorder.end(RunEnded(status="completed"))
            _say("completed")
        except FencedError:
            await run.recorder.abandon()
            _say("fenced")
        _say(f"left {_written_in(folder)}")


def _written_in(folder: Path) -> list[str]:
    return [path.name for path in folder.glob(".objects/*/written/*")]


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
