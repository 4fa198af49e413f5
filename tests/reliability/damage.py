"""What may happen to the folder of a run whose first step is `inline`, by accident or because somebody wants it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ops_contract import sha256_hex

OUTSIDE: Final = b"nobody's business\n"
"""What is in the file `outside` beside the store, to which some folders have links."""

_MIB: Final = 1024 * 1024


def append_to_log(content: bytes) -> Callable[[Path], None]:
    def append(folder: Path) -> None:
        with (folder / "logs.jsonl").open("ab") as log:
            log.write(content)

    return append


def append_unknown_event(folder: Path) -> None:
    before = (folder / "logs.jsonl").read_bytes().splitlines()[-1]
    last = json.loads(before)
    line = {"seq": last["seq"] + 1, "timestamp": last["timestamp"], "run_id": folder.name, "event": "run.painted"}
    append_to_log(json.dumps(line | {"previous_sha256": sha256_hex(before)}).encode() + b"\n")(folder)


def cut_last_line(folder: Path) -> None:
    content = (folder / "logs.jsonl").read_bytes()
    (folder / "logs.jsonl").write_bytes(content[:-40])


def zero_last_line(folder: Path) -> None:
    content = (folder / "logs.jsonl").read_bytes()
    kept, last = content[:-1].rpartition(b"\n")[::2]
    (folder / "logs.jsonl").write_bytes(kept + b"\n" + bytes(len(last) + 1))


def lose_a_line(folder: Path) -> None:
    lines = (folder / "logs.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "logs.jsonl").write_bytes(b"".join(lines[:1] + lines[2:]))


def make_log_huge(folder: Path) -> None:
    os.truncate(folder / "logs.jsonl", 300 * _MIB)


def change_artifact(content: bytes | None) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        artifact = folder / "artifacts/inline/figures.csv"
        artifact.unlink() if content is None else artifact.write_bytes(content)

    return change


def link(name: str) -> Callable[[Path], None]:
    """Put a link to a file outside of the store in the place of `name`, or where there is no such file."""

    def replace(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(folder.parent.parent / "outside")

    return replace


def put_pipe(name: str) -> Callable[[Path], None]:
    def replace(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return replace


def rewrite(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink(missing_ok=True)


def become_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"no folder\n")


DAMAGE: Final[dict[str, Callable[[Path], None]]] = {
    "none": lambda _: None,
    "a torn last line": append_to_log(b'{"seq":99,"event":"step.comp'),
    "a last line cut off": cut_last_line,
    "a last line of zeros": zero_last_line,
    "zeros after the last line": append_to_log(bytes(4096)),
    "a line too few": lose_a_line,
    "a line of 300 MiB": make_log_huge,
    "a line of 100,000 levels": append_to_log(b"[" * 100_000 + b"\n"),
    "a line that is not an object": append_to_log(b"null\n"),
    "a line of an event that nobody knows": append_unknown_event,
    "a line of a step that is not in the plan": append_to_log(b'{"seq":99,"event":"step.completed","step":"../../x"}\n'),
    "an empty log": rewrite("logs.jsonl", b""),
    "no log": remove("logs.jsonl"),
    "a log that is a link": link("logs.jsonl"),
    "a log that is a pipe": put_pipe("logs.jsonl"),
    "no artifact that a line names": change_artifact(None),
    "an artifact of another size": change_artifact(b"short"),
    "an artifact of other bytes": change_artifact(b"FIGURES\n" * 500),
    "an artifact that is a link": link("artifacts/inline/figures.csv"),
    "a link that nobody named": link("artifacts/foreign"),
    "an empty record": rewrite("run.json", b""),
    "half a record": rewrite("run.json", b'{"run_id": "run_'),
    "a record of another run": rewrite("run.json", json.dumps({"run_id": "run_2026-01-09T12-34-56Z_ab12cd"}).encode()),
    "a record that is a pipe": put_pipe("run.json"),
    "no record": remove("run.json"),
    "results of nobody": rewrite("results.json", b"{}"),
    "no result of a step": remove("steps/1-inline/result.json"),
    "other result of a step": rewrite("steps/1-inline/result.json", b"{}"),
    "no modules": remove("modules.json"),
    "other modules": rewrite("modules.json", b'{"modules": {}}'),
    "a file instead of a folder": become_a_file,
}
"""By its name, what changes a folder so; the first one changes nothing."""
