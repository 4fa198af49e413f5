"""The documents' commands that need no container, run as they stand there."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_service import ROOT, command, environment, service, stub_addresses


def documented_commands(first_word: str) -> list[str]:
    """The commands of README and docs/ that begin with `first_word`."""
    text = "".join(document.read_text() for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.split()[:1] == [first_word]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with service(tmp_path_factory.mktemp("stubs"), "ops-stubs", "serve", "--port", "0") as (_, stubs):
        yield stub_addresses(stubs)


@pytest.fixture(scope="module")
def orchestrator(addresses: dict[str, str], runs: Path) -> Iterator[str]:
    with service(ROOT, "ops", "serve", "--port", "0", OPS_RUNS_DIR=str(runs), **addresses) as (_, url):
        yield url


@pytest.mark.parametrize("line", documented_commands("ops"))
def test_ops_command_of_the_documents_works(line: str, orchestrator: str, addresses: dict[str, str], runs: Path) -> None:
    words = shlex.split(line)
    variables = environment(OPS_URL=orchestrator, OPS_RUNS_DIR=str(runs), **addresses)
    ran = subprocess.run([command(words[0]), *words[1:]], cwd=ROOT, env=variables, capture_output=True, timeout=25, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("line", documented_commands("curl"))
def test_curl_command_of_the_documents_completes_a_run(line: str, orchestrator: str) -> None:
    words = shlex.split(line.replace("http://localhost:8000", orchestrator))
    ran = subprocess.run([*words, "--silent", "--fail"], cwd=ROOT, capture_output=True, text=True, timeout=25, check=False)
    assert '"status":"completed"' in ran.stdout


def test_documents_have_commands_to_run() -> None:
    assert documented_commands("ops")
    assert documented_commands("curl")


@pytest.mark.slow
def test_demo_shows_steps_figures_folder_and_brief(tmp_path: Path) -> None:
    ran = subprocess.run(
        [command("python"), "examples/demo.py"],
        cwd=ROOT,
        env=environment(OPS_RUNS_DIR=str(tmp_path / "runs"), COLUMNS="100"),
        capture_output=True,
        text=True,
        timeout=28,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    for expected in ("✓  policy-simulator", "✓  strategy-agent", "gdp_growth", "The brief begins", "Brief:"):
        assert expected in ran.stdout
    (run,) = (tmp_path / "runs").glob("run_*")
    assert (run / "manifest-sha256.txt").is_file()
    assert str(run) in ran.stdout.replace("\n", "")


@pytest.mark.slow
def test_demo_leaves_no_process_behind(tmp_path: Path) -> None:
    marker = str(tmp_path / "runs")
    subprocess.run(
        [command("python"), "examples/demo.py"],
        cwd=ROOT,
        env=environment(OPS_RUNS_DIR=marker),
        capture_output=True,
        timeout=28,
        check=True,
    )
    left = [path for path in Path("/proc").glob("[0-9]*/environ") if marker.encode() in _content(path)]
    assert left == []


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it ended meanwhile, or is not ours


def test_make_help_lists_every_command_of_the_documents() -> None:
    help_text = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True).stdout
    listed = {line.split()[0] for line in help_text.splitlines() if line and not line.startswith("make")}
    text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", text, re.MULTILINE))
    assert named <= listed
    assert {"demo", "test", "check", "up", "down", "help"} <= listed
