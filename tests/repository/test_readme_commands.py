"""The documents' commands that need no container, run as they stand there."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from local_service import HTTP, ROOT, command, environment, service, stub_addresses

from ops_orchestrator.service.openapi import EXAMPLE_SCENARIO

pytestmark = pytest.mark.slow

RUN_ELSEWHERE = ("ops sweep examples/sweeps/vat.json",)
"""Commands that take a minute, and that tests beside the examples run and look at."""

DOCUMENTS = (ROOT / "README.md", ROOT / "runs/README.md", *sorted((ROOT / "docs").glob("*.md")))


def documented_commands(first_word: str) -> list[str]:
    """The commands of README, runs/README and docs/ that begin with `first_word`, each once."""
    text = "".join(document.read_text() for document in DOCUMENTS)
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = [line.partition(" # ")[0].rstrip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in dict.fromkeys(lines) if line.split()[:1] == [first_word]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def slow_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The strategy agent by itself, so that it can be told not to answer."""
    words = ("ops-stubs", "serve", "strategy-agent", "--admin", "--port", "0")
    with service(tmp_path_factory.mktemp("slow"), *words) as (_, url):
        yield url


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory, slow_module: str) -> Iterator[dict[str, str]]:
    with service(tmp_path_factory.mktemp("stubs"), "ops-stubs", "serve", "--port", "0") as (_, stubs):
        yield stub_addresses(stubs) | {"STRATEGY_AGENT_URL": slow_module}


@pytest.fixture(scope="module")
def orchestrator(addresses: dict[str, str], runs: Path) -> Iterator[str]:
    with service(ROOT, "ops", "serve", "--port", "0", OPS_RUNS_DIR=str(runs), **addresses) as (_, url):
        new_run(url)  # each command is a test of its own, and some need a run to look at
        yield url


def new_run(orchestrator: str) -> str:
    """The id of a run that is over."""
    return str(HTTP.post(f"{orchestrator}/plan_and_execute", json=EXAMPLE_SCENARIO).raise_for_status().json()["run_id"])


def prepare_latest(action: str, orchestrator: str, slow_module: str) -> None:
    """Have a latest run that can be cancelled, or resumed: one whose second module does not answer, this once."""
    HTTP.post(f"{slow_module}/__stub/reset").raise_for_status()
    HTTP.put(f"{slow_module}/__stub/faults", json={"faults": ["hang:first=1"]}).raise_for_status()
    started = HTTP.post(f"{orchestrator}/plan_and_execute", json=EXAMPLE_SCENARIO, headers={"Prefer": "respond-async"})
    run = f"{orchestrator}/runs/{started.json()['run_id']}"
    while not any(request["acted"] for request in HTTP.get(f"{slow_module}/__stub/requests").json()["requests"]):
        pass
    if action == "resume":
        HTTP.post(f"{run}/cancel").raise_for_status()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, runs: Path) -> Path:
    """A folder like the project's, in which commands may write."""
    home = tmp_path_factory.mktemp("home")
    for name in ("examples", "modules.yaml"):
        (home / name).symlink_to(ROOT / name)
    (home / "runs").symlink_to(runs)
    return home


class Shell:
    """Runs commands in the folder `home`, as a reader of the documents would."""

    def __init__(self, home: Path, variables: dict[str, str]) -> None:
        self._home = home
        self._variables = variables | {"PATH": f"{Path(command('ops')).parent}:{variables['PATH']}"}

    def run(self, line: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(["sh", "-c", line], cwd=self._home, env=self._variables, capture_output=True, check=False)

    def prepare(self, line: str) -> None:
        """Make the files that the command reads, as the commands before it in its document would have."""
        if "ops runs import" in line or "ops runs verify" in line or "ops runs diff" in line:
            for archive in re.findall(r"\S+\.zip", line):
                assert self.run(f"ops runs export latest --force --to {archive}").returncode == 0
        if (expectation := re.search(r"ops runs check (\S+)", line)) is not None:
            assert self.run(f"ops runs expect latest --force --to {expectation[1]}").returncode == 0
        if (key := re.fullmatch(r"ops keys (?:list|revoke (\S+))", line)) is not None:
            self.run(f"ops keys add {key[1] or 'somebody'} --scope read")  # unless there is one


@pytest.fixture
def shell(home: Path, orchestrator: str, addresses: dict[str, str], runs: Path) -> Shell:
    return Shell(home, environment(OPS_URL=orchestrator, OPS_RUNS_DIR=str(runs), **addresses))


@pytest.mark.parametrize("line", [line for line in documented_commands("ops") if line not in RUN_ELSEWHERE])
def test_ops_command_of_the_documents_works(line: str, shell: Shell, orchestrator: str, slow_module: str) -> None:
    words = shlex.split(line)
    changes_latest = words[1] == "runs" and words[2] in ("cancel", "resume")
    if changes_latest:
        prepare_latest(words[2], orchestrator, slow_module)
    shell.prepare(line)
    ran = shell.run(re.sub(r"\bRUN_[A-Z]\b", lambda _: new_run(orchestrator), line))
    if changes_latest:
        new_run(orchestrator)  # what comes next reads the latest run
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("line", documented_commands("curl"))
def test_curl_command_of_the_documents_works(line: str, orchestrator: str) -> None:
    words = shlex.split(line.replace("http://localhost:8000", orchestrator))
    ran = subprocess.run([*words, "--silent", "--fail"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "plan_and_execute" not in line or '"status":"completed"' in ran.stdout


def test_documents_have_commands_to_run() -> None:
    assert documented_commands("ops")
    assert documented_commands("curl")


@dataclass(frozen=True)
class Demo:
    """`make demo` once: what it printed, and where its runs are."""

    output: str
    runs: Path


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    runs = tmp_path_factory.mktemp("demo") / "runs"
    variables = environment(OPS_RUNS_DIR=str(runs), COLUMNS="72")
    words = [command("python"), "examples/demo.py"]
    ran = subprocess.run(words, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    return Demo(ran.stdout, runs)


def first_try(runs: Path) -> Path:
    """The run of the demo's first scenario that needed no second attempt. Ids do not order runs of one second."""
    records = {file.parent: json.loads(file.read_bytes()) for file in runs.glob("run_*/run.json")}
    scenario_id = EXAMPLE_SCENARIO["scenario_id"]
    [run] = (
        run for run, record in records.items() if (scenario_id, 1) == (record["request"]["scenario_id"], record["attempt"])
    )
    return run


def test_demo_shows_steps_figures_folder_and_brief(demo: Demo) -> None:
    run = first_try(demo.runs)
    for expected in ("✓  policy-simulator", "✓  strategy-agent", "GDP growth", "The brief begins", "Brief:"):
        assert expected in demo.output
    assert f"folder     {run}/\n" in demo.output


def test_demo_follows_a_run_cancels_it_and_resumes_it(demo: Demo) -> None:
    for expected in ("--follow", "run cancelled", "$ ops runs resume run_", "was not called again"):
        assert expected in demo.output
    records = [json.loads(file.read_bytes()) for file in demo.runs.glob("run_*/run.json")]
    assert sorted((record["status"], record["attempt"]) for record in records) == [("completed", 1)] * 3 + [("completed", 2)]


def test_demo_ends_with_a_comparison_of_two_scenarios_and_says_where_the_report_is(demo: Demo) -> None:
    comparison = demo.output.partition("$ ops runs compare run_")[2]
    assert re.search(r"GDP growth +4\.28 % +4\.23 %", comparison)
    [table] = re.findall(r"The comparison is (\S+\.md)$", comparison, re.MULTILINE)
    assert "| GDP growth" in Path(table).read_text()
    [report] = re.findall(r"Open the report in a browser: file://(\S+\.html)$", comparison, re.MULTILINE)
    assert "<h1>" in Path(report).read_text()


def test_demo_leaves_no_process_behind(demo: Demo) -> None:
    left = [path for path in Path("/proc").glob("[0-9]*/environ") if str(demo.runs).encode() in content(path)]
    assert left == []


def content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # the process ended meanwhile, or is not ours


def test_make_help_lists_every_target_of_the_documents() -> None:
    help_text = subprocess.run(["make", "help"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    listed = set(re.findall(r"^([a-z-]+) ", help_text, re.MULTILINE))
    text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE)) <= listed
