"""Sessions of pytest in another repository, with the harness and nothing else of this one."""

import signal
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import httpx2
import pytest
from local_service import HTTP, ROOT, environment, interruptible, service
from team_repository import TeamRepository

pytestmark = pytest.mark.slow

EXAMPLE = (ROOT / "examples/plan_and_execute.request.json").read_text(encoding="utf-8")
ONE_RUN = """
    def test_run(ops_run, ops_stack):
        run = ops_run("scenario.json")
        assert run.outputs["policy-simulator"]["kpis"]
"""


@pytest.fixture
def repository(tmp_path: Path) -> TeamRepository:
    (tmp_path / "scenario.json").write_text(EXAMPLE, encoding="utf-8")
    return TeamRepository(tmp_path)


@pytest.fixture
def module(tmp_path: Path) -> Iterator[str]:
    """A module of a team's own, which listens already; one that draws nothing starts in a third of the time."""
    with service(tmp_path, "ops-stubs", "serve", "monitor", "--admin", "--port", "0") as (_, url):
        yield url


def requests_of(module: str) -> int:
    return len([one for one in HTTP.get(f"{module}/__stub/requests").json()["requests"] if one["path"] == "/execute"])


def test_conftest_may_start_the_module_itself_and_set_the_orchestrator(repository: TeamRepository, module: str) -> None:
    conftest = f"""
        import pytest

        @pytest.fixture(scope="session")
        def ops_modules():
            yield {{"monitor": "{module}", "brand-new": "{module}"}}

        @pytest.fixture(scope="session")
        def ops_settings():
            return {{"OPS_MAX_REQUEST_BYTES": "100"}}
    """
    tests = """
        import pytest

        def test_modules(ops_stack):
            assert "brand-new" in ops_stack.modules
            assert "monitor" not in ops_stack.stubs

        def test_settings(ops_run):
            with pytest.raises(AssertionError, match="100 bytes"):
                ops_run("scenario.json")
    """
    repository.write({"conftest.py": conftest, "test_it.py": tests})
    ran = repository.test()
    assert ran.returncode == 0, ran.stdout


def test_module_of_a_new_name_is_added_beside_the_stubs(repository: TeamRepository, module: str) -> None:
    tests = """
        def test_modules(ops_stack):
            assert {"brand-new", "monitor"} <= set(ops_stack.modules)
            assert "monitor" in ops_stack.stubs
    """
    repository.write({"test_it.py": tests})
    ran = repository.test("--ops-add", f"brand-new={module}")
    assert ran.returncode == 0, ran.stdout


def test_module_that_the_modules_file_would_not_call_is_refused(repository: TeamRepository, module: str) -> None:
    repository.write({"modules.yaml": "modules: { mine: { url: 'http://127.0.0.1:9' } }", "test_it.py": ONE_RUN})
    ran = repository.test("--ops-modules-file", "modules.yaml", "--ops-with", f"mine={module}")
    assert ran.returncode == 1
    assert "modules.yaml has no ${MINE_URL}" in ran.stdout


A_MODULE = """
    import os, sys
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Module(BaseHTTPRequestHandler):
        def do_GET(self):
            print("was asked", self.path)
            self.send_response(204)
            self.end_headers()

    port = sys.argv[1] if len(sys.argv) > 1 else os.environ["OPS_PORT"]
    HTTPServer(("127.0.0.1", int(port)), Module).serve_forever()
"""


def test_service_of_the_test_is_started_on_a_free_port_logged_and_ended(repository: TeamRepository) -> None:
    tests = """
        import os, sys
        from urllib.request import urlopen

        def test_both_ways_to_get_the_port(ops_process):
            for words in (["module.py"], ["module.py", "{port}"]):
                assert urlopen(ops_process(sys.executable, *words) + "/asked").status == 204

        def test_command_that_ends(ops_process):
            ops_process(sys.executable, "-c", "print('out of figs')")

        def test_command_that_is_not_there(ops_process):
            ops_process("no-such-command")
    """
    repository.write({"module.py": A_MODULE, "test_it.py": tests})
    ran = repository.test("--ops-dir", "kept")
    assert "2 failed, 1 passed" in ran.stdout, ran.stdout
    assert "ended before it listened on port" in ran.stdout
    assert "out of figs" in ran.stdout
    assert "there is no command 'no-such-command'" in ran.stdout
    assert "Traceback" not in ran.stdout
    assert "was asked /asked" in (repository.folder / "kept/logs/process-1.log").read_text()
    assert not [path for path in Path("/proc").glob("[0-9]*/cwd") if is_in(path, repository.folder)]


def is_in(link: Path, folder: Path) -> bool:
    """Does the process work in `folder`?"""
    try:
        return link.resolve() == folder
    except OSError:
        return False  # it ended meanwhile, or is not ours


def test_modules_file_of_ones_own_finds_the_stubs_in_its_variables(repository: TeamRepository) -> None:
    modules = """
        modules:
          mine:
            url: ${POLICY_SIMULATOR_URL}
            adapter:
              actions: { ask: { method: GET, path: /health, outputs: "{ 'version': response.body.version }" } }
    """
    tests = """
        def test_run(ops_run):
            run = ops_run({"scenario_id": "mine", "modules": ["mine"], "inputs": {}})
            assert run.outputs["mine"]["version"]
    """
    repository.write({"modules.yaml": modules, "test_it.py": tests})
    ran = repository.test("--ops-modules-file", "modules.yaml")
    assert ran.returncode == 0, ran.stdout


def test_each_process_of_xdist_has_a_stack_of_its_own_in_which_a_module_at_a_url_takes_the_place_of_its_stub(
    repository: TeamRepository, module: str
) -> None:
    test = """
        def test_run(ops_run):
            ops_run({"scenario_id": "one", "modules": ["monitor"], "inputs": {"country": "DO"}})
    """
    repository.write({"test_it.py": "\n".join(test.replace("test_run", f"test_run_{number}") for number in range(4))})
    ran = repository.test("-n", "2", "--ops-dir", "kept", "--ops-with", f"monitor={module}")
    assert ran.returncode == 0, ran.stdout
    runs = {worker.name: len(list(worker.glob("runs/run_*"))) for worker in (repository.folder / "kept").iterdir()}
    assert set(runs) == {"gw0", "gw1"}
    assert sum(runs.values()) == 4
    assert requests_of(module) == 4


def test_failed_test_shows_what_the_stack_logged_during_it_and_where_all_is(repository: TeamRepository) -> None:
    tests = """
        def test_first(ops_run):
            ops_run("scenario.json")

        def test_second(ops_run, ops_stub):
            ops_stub("strategy-agent", violate=["OPS-ART-003"])
            ops_run("scenario.json")
    """
    repository.write({"test_it.py": tests})
    ran = repository.test("--ops-dir", "kept")
    assert ran.returncode == 1
    assert "failed in step 'strategy-agent'" in ran.stdout
    assert f"logs in {repository.folder}/kept/logs" in ran.stdout
    assert "run failed" in ran.stdout
    assert "run completed" not in ran.stdout
    assert (repository.folder / "kept/logs/orchestrator.log").stat().st_size > 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--ops-with", "policy-simulator"], "'policy-simulator' is not NAME=IMAGE or NAME=URL"),
        (["--ops-with", "monitor=ftp://x"], "'ftp://x' is not a base URL"),
        (["--ops-modules-file", "none.yaml"], "none.yaml"),
        (["--ops-with", "polcy-simulator=http://x"], "did you mean 'policy-simulator'?"),
        (["--ops-with", "tariffs=http://x"], "--ops-add tariffs=http://x"),
        (["--ops-add", "monitor=http://x"], "--ops-with monitor=http://x"),
    ],
    ids=["no target", "no URL", "no file", "misspelt", "new", "not new"],
)
def test_stack_that_cannot_start_says_why(repository: TeamRepository, words: list[str], sentence: str) -> None:
    repository.write({"test_it.py": ONE_RUN})
    ran = repository.test(*words)
    assert ran.returncode == 1
    assert sentence in ran.stdout
    assert "Traceback" not in ran.stdout


def test_session_without_the_fixtures_loads_nothing_of_the_stack(repository: TeamRepository) -> None:
    tests = """
        import sys

        def test_nothing_is_loaded():
            assert not [name for name in ("ops_harness", "ops_orchestrator", "httpx2") if name in sys.modules]
    """
    repository.write({"test_it.py": tests})
    ran = repository.test()
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda end: end.name)
def test_nothing_is_left_of_a_session_that_was_killed(repository: TeamRepository, end: signal.Signals) -> None:
    tests = """
        import pathlib, signal

        def test_that_is_killed(ops_stack):
            pathlib.Path("url").write_text(ops_stack.url + "\\n" + ops_stack.stubs["monitor"])
            print("READY", flush=True)
            signal.pause()
    """
    repository.write({"test_it.py": tests})
    with interruptible():
        killed = Popen(repository.pytest("-s"), cwd=repository.folder, env=environment(), stdout=PIPE, text=True)
    with killed:
        assert any("READY" in line for line in killed.stdout or ())
        killed.send_signal(end)
        killed.communicate()
    for url in (repository.folder / "url").read_text().splitlines():
        until_refused(url)


def until_refused(url: str) -> None:
    """Wait until nobody listens at `url`; each try takes as long as an answer does."""
    while True:
        try:
            httpx2.get(f"{url}/health", timeout=None, trust_env=False)
        except httpx2.TransportError:
            return
