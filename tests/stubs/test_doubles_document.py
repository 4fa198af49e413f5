"""The commands of docs/test-doubles.md, in their order."""

import re
import shlex
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from local_service import HTTP, ROOT, environment, service

pytestmark = pytest.mark.slow

DOCUMENT = (ROOT / "docs/test-doubles.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8080"


def commands() -> list[str]:
    """One for each line of a block, except that a curl with a body goes on to its end."""
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    return [line for block in blocks for line in re.split(r"\n(?=curl|ops-stubs)", block.strip())]


def test_commands_of_the_document_work_in_their_order(tmp_path: Path) -> None:
    [settings] = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    (tmp_path / "doubles.json").write_text(settings, encoding="utf-8")
    url = ""
    with ExitStack() as started:
        for line in commands():
            words = shlex.split(line.replace(ADDRESS, url or ADDRESS))
            if words[:2] == ["ops-stubs", "serve"]:
                _, url = started.enter_context(service(tmp_path, *words, "--port", "0"))
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
        assert HTTP.get(f"{url}/__stub/settings").json()["answers"][0]["match"] == {"seed": {"equals": 7}}
