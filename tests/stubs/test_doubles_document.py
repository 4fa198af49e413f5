"""The commands of docs/test-doubles.md, in their order."""

import re
import shlex
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from local_service import ROOT, environment, service

pytestmark = pytest.mark.slow

DOCUMENT = (ROOT / "docs/test-doubles.md").read_text(encoding="utf-8")
SERVED, RECORDED = "http://127.0.0.1:8080", "http://127.0.0.1:8081"


def commands() -> list[str]:
    """One for each line of a block, except that a curl with a body goes on to its end."""
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    return [line for block in blocks for line in re.split(r"\n(?=curl|ops-stubs)", block.strip())]


def test_commands_of_the_document_work_in_their_order(tmp_path: Path) -> None:
    [settings] = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    (tmp_path / "doubles.json").write_text(settings, encoding="utf-8")
    urls = {SERVED: SERVED, RECORDED: RECORDED}
    with ExitStack() as running:
        for line in commands():
            words = shlex.split(line.replace(RECORDED, urls[RECORDED]).replace(SERVED, urls[SERVED]))
            if words[0] == "ops-stubs":
                _, url = running.enter_context(service(tmp_path, *words, "--port", "0"))
                urls[RECORDED if words[1] == "record" else SERVED] = url
                continue
            ran = subprocess.run(
                [*words, "--silent", "--show-error", "--fail-with-body"],
                cwd=tmp_path,
                env=environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, f"{line}\n{ran.stdout}{ran.stderr}"
