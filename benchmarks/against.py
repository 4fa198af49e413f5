"""Whether the orchestrator became slower: `ops serve` of this tree beside that of an earlier revision, in one run.

    python benchmarks/against.py REVISION

The revision is checked out into a folder of its own with the libraries that its lock names. Both versions serve at once, and
take turns, so that a busy machine slows both alike; compare the ratios. `make bench-against REV=...` does the same.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import uvloop
from conditions import commit
from load import MeasurementError
from measurement import check_room, measure_window
from performance_page import earlier_text, write_page
from programs import Program, Running, explained, module_server, running
from results import OURS, Earlier, Window, read_results, write_results

ROOT: Final = Path(__file__).parents[1]
# Run folders have to lie on a disk, and a folder for temporary files may be in memory.
BUILD: Final = ROOT / "build"
UV: Final = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".uv/bin/uv")


@contextmanager
def checked_out(revision: str, folder: Path) -> Iterator[Program]:
    """The orchestrator as of a revision of this repository, with an environment of its own. Raises MeasurementError."""
    name = _command("git", "rev-parse", "--short=10", "--verify", f"{revision}^{{commit}}", at=ROOT).strip()
    tree = folder / "tree"
    _command("git", "worktree", "add", "--quiet", "--detach", str(tree), name, at=ROOT)
    try:
        words = [UV, "sync", "--quiet", "--frozen", "--all-packages", "--no-default-groups"]
        try:
            _command(*words, "--offline", at=tree)
        except MeasurementError:
            _command(*words, at=tree)
        yield Program(OURS, 1, version=name, python=str(tree / ".venv/bin/python"))
    finally:
        _command("git", "worktree", "remove", "--force", str(tree), at=ROOT)


class Length(NamedTuple):
    """How much is measured: in so many rounds, a window of so many seconds of each version, for so many callers."""

    callers: int
    rounds: int
    window_s: float


def measure(earlier: Program, folder: Path, modules: Running, length: Length) -> Earlier:
    """Measure both versions in turn, after a round of each that does not count. Raises MeasurementError."""
    programs = (Program(OURS, 1), earlier)
    with ExitStack() as stack:
        started = {program: stack.enter_context(running(program, folder, modules)) for program in programs}

        def measured(program: Program) -> Window:
            with explained(program, started[program]):
                return uvloop.run(measure_window(started[program], modules, length.callers, length.window_s))

        pairs: list[tuple[Window, Window]] = []
        for number in range(length.rounds + 1):
            check_room(folder)
            print(f"callers: {length.callers}, round {number} of {length.rounds}", file=sys.stderr)
            windows = {program: measured(program) for program in (programs if number % 2 else reversed(programs))}
            pairs.append((windows[programs[0]], windows[earlier]))
    return Earlier(
        commit=commit(),
        earlier=earlier.version,
        callers=length.callers,
        window_s=length.window_s,
        rounds=tuple(pairs[1:]),
    )


def main() -> None:
    """Measure, print, and write when asked to."""
    arguments = _arguments()
    length = Length(arguments.callers, arguments.rounds, arguments.window_s)
    BUILD.mkdir(exist_ok=True)
    try:
        with (
            tempfile.TemporaryDirectory(dir=BUILD) as name,
            checked_out(arguments.revision, Path(name)) as earlier,
            module_server(Path(name)) as modules,
        ):
            measured = measure(earlier, Path(name), modules, length)
    except MeasurementError as error:
        sys.exit(f"against.py: {error}")
    print(earlier_text([measured]))
    if arguments.write:
        results = read_results()
        others = [each for each in results.earlier if (each.earlier, each.callers) != (measured.earlier, measured.callers)]
        results = results.model_copy(update={"earlier": (*others, measured)})
        write_results(results)
        write_page(results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("revision", help="any name that git has for a commit of this repository")
    parser.add_argument("--callers", type=int, default=16, metavar="N", help="callers, each with one run at a time (16)")
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="windows of each version (20)")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", dest="window_s", help="how long a window is (2)")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    return parser.parse_args()


def _command(*words: str, at: Path) -> str:
    """What a command prints. Raises MeasurementError."""
    # The environment of this process is not that of the other tree.
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(words, cwd=at, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MeasurementError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    main()
