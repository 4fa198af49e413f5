"""Processes that write to one place do not tear each other's lines."""

import os
from pathlib import Path
from threading import Thread

from ops_orchestrator.service.whole_writes import whole_lines

LINES = 30
# Far more than a pipe takes at once, so that each line has to wait for its reader.
LENGTH = 200_000


def write_lines(descriptor: int, lock: Path, letter: str) -> None:
    with whole_lines(descriptor, lock) as log:
        for _ in range(LINES):
            log.write(letter * LENGTH + "\n")


def test_long_lines_of_several_writers_stay_whole_in_a_pipe(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    # Each has its own lock, as each process has.
    writers = [Thread(target=write_lines, args=(writing, tmp_path / "lock", letter), daemon=True) for letter in "abc"]
    for writer in writers:
        writer.start()
    with os.fdopen(reading) as pipe:
        lines = [pipe.readline() for _ in range(LINES * len(writers))]
    for writer in writers:
        writer.join()
    os.close(writing)
    assert sorted(set(lines)) == [f"{letter * LENGTH}\n" for letter in "abc"]


def test_bytes_and_text_are_written_at_once_and_leave_the_file_open(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out, whole_lines(out.fileno(), tmp_path / "lock") as log:
        log.write("é\n")
        log.buffer.write(b"line\n")
        assert (tmp_path / "out").read_bytes() == "é\nline\n".encode()
        log.close()
        os.write(out.fileno(), b"still open")
