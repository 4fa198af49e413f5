"""The service as a process: signals, crashes, restarts, and the command line against it."""

import json
import os
import pty
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select
from subprocess import STDOUT, Popen
from typing import Any

import pytest
from command_line import on_terminal, ops, rest_of
from local_service import HTTP, ROOT, address_of, service, started, stub_addresses
from scripted_module import modules_yaml

pytestmark = pytest.mark.slow

EXAMPLE = ROOT / "examples" / "plan_and_execute.request.json"
SCENARIO = {"scenario_id": "demo", "modules": ["alpha"]}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the orchestrator of this module runs: its `runs` folder is here."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def orchestrator(home: Path, stubs: str) -> Iterator[str]:
    variables = {"OPS_MODULES_FILE": str(ROOT / "modules.yaml"), **stub_addresses(stubs)}
    with service(home, "ops", "serve", "--port", "0", **variables) as (_, url):
        yield url


@pytest.fixture(scope="module")
def answer(home: Path, orchestrator: str) -> dict[str, Any]:
    """What `ops run` prints for the example when piped."""
    ran = ops(home, "run", str(EXAMPLE), "--url", orchestrator)
    assert ran.returncode == 0, ran.stderr
    return dict(json.loads(ran.stdout))


def test_run_that_is_piped_prints_the_answer_as_json(answer: dict[str, Any]) -> None:
    assert answer["status"] == "completed"
    assert set(answer["results"]) == {"policy-simulator", "strategy-agent"}
    assert set(answer) == {"run_id", "status", "plan", "results", "artifacts_path", "logs_path"}


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"NONSENSE\r\n\r\n",
        b"GET /health HTTP/1.1\r\nno header\r\n\r\n",
        b"GET /health HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_request_that_is_not_http_is_a_400_problem(orchestrator: str, request_bytes: bytes) -> None:
    answer = answer_to(orchestrator, request_bytes)
    assert answer.startswith("HTTP/1.1 400 ")
    assert "content-type: application/problem+json\r\n" in answer
    assert json.loads(answer.partition("\r\n\r\n")[2])["status"] == 400


def test_headers_without_end_are_refused_and_read_no_longer(orchestrator: str) -> None:
    with connected(orchestrator) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nX-Long: ")
        with suppress(ConnectionError):
            while not select([connection], [], [], 0)[0]:
                connection.sendall(b"x" * 4096)
        answer = connection.recv(65536).decode()
    assert answer.startswith("HTTP/1.1 431 ")
    assert json.loads(answer.partition("\r\n\r\n")[2])["status"] == 431


def test_request_for_a_web_socket_is_answered_as_plain_http(orchestrator: str) -> None:
    asking = b"GET /health HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n\r\n"
    assert answer_to(orchestrator, asking).startswith("HTTP/1.1 200 ")


def connected(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)))


def answer_to(url: str, request: bytes) -> str:
    """What the service at `url` answers to the bytes `request` before it closes the connection."""
    with connected(url) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def test_run_on_a_terminal_shows_steps_figures_and_folder(home: Path, orchestrator: str) -> None:
    ours, theirs = pty.openpty()
    words = ("ops", "run", str(EXAMPLE), "--url", orchestrator)
    with started(home, *words, stdout=theirs, stderr=theirs, TERM="xterm", COLUMNS="120") as process:
        os.close(theirs)
        shown = rest_of(ours).decode()
        assert process.wait() == 0
    for expected in ("✓", "completed", "strategy-agent", "GDP growth", "synthetic", "runs/run_", "brief.md"):
        assert expected in shown


def test_run_reads_a_scenario_from_standard_input(home: Path, orchestrator: str) -> None:
    ran = ops(home, "run", "-", "--url", orchestrator, stdin=EXAMPLE.read_text())
    assert (ran.returncode, json.loads(ran.stdout)["status"]) == (0, "completed")


def test_run_is_given_a_label_and_a_deadline(home: Path, orchestrator: str) -> None:
    ran = ops(home, "run", str(EXAMPLE), "--label", "study=vat-é", "--deadline", "600", "--url", orchestrator)
    request = json.loads(ops(home, "runs", "show", json.loads(ran.stdout)["run_id"]).stdout)["request"]
    given = json.loads(EXAMPLE.read_text())["run_options"]
    assert request["run_options"] == {**given, "labels": {"study": "vat-é"}, "deadline_s": 600}


def test_run_that_failed_exits_1_and_prints_its_answer(home: Path, orchestrator: str, tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.json"
    scenario.write_text(EXAMPLE.read_text().replace("0.18", "7"))
    ran = ops(home, "run", str(scenario), "--url", orchestrator)
    assert (ran.returncode, json.loads(ran.stdout)["error"]["module"]) == (1, "policy-simulator")


def test_runs_are_listed_shown_and_logged_without_a_service(home: Path, answer: dict[str, Any]) -> None:
    run_id = answer["run_id"]
    assert run_id in {run["run_id"] for run in json.loads(ops(home, "runs", "list").stdout)}
    assert json.loads(ops(home, "runs", "show", run_id).stdout)["status"] == "completed"
    logged = [json.loads(line) for line in ops(home, "runs", "logs", run_id).stdout.splitlines()]
    assert logged[-1]["event"] == "run.ended"


def test_runs_on_a_terminal_are_readable(home: Path, answer: dict[str, Any]) -> None:
    run_id = answer["run_id"]
    assert run_id in on_terminal(home, "runs", "list")[1]
    assert "GDP growth" in on_terminal(home, "runs", "show", run_id)[1]
    assert "run completed" in on_terminal(home, "runs", "logs", run_id)[1]


def test_log_is_followed_from_the_service_without_a_folder(home: Path, orchestrator: str, answer: dict[str, Any]) -> None:
    run_id, elsewhere = answer["run_id"], home.parent
    for words in ((run_id,), (run_id[:-1], "--json")):
        ran = ops(elsewhere, "runs", "logs", *words, "--follow", "--url", orchestrator)
        assert (ran.returncode, ran.stdout) == (0, (home / "runs" / run_id / "logs.jsonl").read_text())
    code, shown = on_terminal(elsewhere, "runs", "logs", run_id, "--follow", "--url", orchestrator)
    assert (code, "run completed" in shown) == (0, True)


def test_log_of_a_failed_run_is_followed_with_the_exit_code_of_a_run(home: Path, orchestrator: str, tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.json"
    scenario.write_text(EXAMPLE.read_text().replace("0.18", "7"))
    assert ops(home, "run", str(scenario), "--url", orchestrator).returncode == 1
    ran = ops(home, "runs", "logs", "latest", "--follow", "--url", orchestrator)
    assert (ran.returncode, json.loads(ran.stdout.splitlines()[-1])["status"]) == (1, "failed")


def test_list_of_runs_is_filtered_by_status(home: Path, answer: dict[str, Any]) -> None:
    assert answer["run_id"] not in ops(home, "runs", "list", "--status", "failed").stdout


def test_modules_are_listed_with_their_state(home: Path, orchestrator: str) -> None:
    listed = json.loads(ops(home, "modules", "--url", orchestrator).stdout)
    assert {module["name"]: module["ready"] for module in listed}["monitor"] is True
    assert "ready" in on_terminal(home, "modules", "--url", orchestrator)[1]


def test_plan_needs_no_service(home: Path) -> None:
    assert json.loads(ops(home, "plan", str(EXAMPLE)).stdout)[1]["module"] == "strategy-agent"
    assert "policy-simulator" in on_terminal(home, "plan", str(EXAMPLE))[1]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "no-such-file.json"), 2, "cannot read no-such-file.json: No such file or directory"),
        (("run", str(ROOT / "LICENSE")), 2, "not JSON"),
        (("plan", str(ROOT / "pyproject.toml")), 2, "not JSON"),
        (("run", str(EXAMPLE), "--url", "http://127.0.0.1:1"), 3, "cannot reach the orchestrator at http://127.0.0.1:1"),
        (("modules", "--url", "nonsense"), 2, "--url must be like http://host:port"),
        (("runs", "show", "run_1"), 2, "there is no run 'run_1'; `ops runs list` lists them"),
        (("runs", "list", "--status", "done"), 2, "'done' is not one of"),
        (("runs", "logs", "latest", "--follow", "--url", "http://127.0.0.1:1"), 3, "cannot reach the orchestrator at"),
        (("frobnicate",), 2, "frobnicate"),
    ],
)
def test_mistake_on_the_command_line_is_a_sentence_and_an_exit_code(
    home: Path, answer: dict[str, Any], words: tuple[str, ...], code: int, said: str
) -> None:
    assert answer
    ran = ops(home, *words)
    assert ran.returncode == code
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_scenario_that_the_service_refuses_exits_2_with_the_registered_modules(home: Path, orchestrator: str) -> None:
    scenario = home / "unknown.json"
    scenario.write_text(json.dumps({"scenario_id": "x", "modules": ["policy-simulater"]}))
    ran = ops(home, "run", str(scenario), "--url", orchestrator)
    assert ran.returncode == 2
    assert "did you mean 'policy-simulator'?" in ran.stderr


def test_runs_where_there_is_no_store_say_which_setting_to_use(tmp_path: Path) -> None:
    ran = ops(tmp_path, "runs", "list")
    assert (ran.returncode, "set OPS_RUNS_DIR" in ran.stderr) == (2, True)
    assert not (tmp_path / "runs").exists()


def test_service_on_this_machine_is_not_looked_for_behind_a_proxy(home: Path, orchestrator: str) -> None:
    ran = ops(home, "modules", "--url", orchestrator, HTTP_PROXY="http://127.0.0.1:1", http_proxy="http://127.0.0.1:1")
    assert ran.returncode == 0, ran.stderr


def test_output_in_a_pipe_is_utf_8_whatever_the_locale(home: Path, orchestrator: str, tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.json"
    scenario.write_text(EXAMPLE.read_text().replace("demo-scenario-001", "reforma-é"), encoding="utf-8")
    assert ops(home, "run", str(scenario), "--url", orchestrator).returncode == 0
    with started(home, "ops", "runs", "list", PYTHONIOENCODING="ascii", PYTHONUTF8="0") as process:
        listed, _ = process.communicate()
    assert (process.returncode, "reforma-é" in listed) == (0, True)


def test_address_that_answers_but_is_no_orchestrator_is_said_so(home: Path, stubs: str) -> None:
    ran = ops(home, "modules", "--url", f"{stubs}/monitor")
    assert ran.returncode == 3
    assert "not as an orchestrator does" in ran.stderr


def test_serve_shows_its_settings_and_stops(tmp_path: Path) -> None:
    ran = ops(tmp_path, "serve", "--show-settings", "--port", "1234", OPS_MAX_CONCURRENT_RUNS="7")
    settings = json.loads(ran.stdout)
    assert (settings["port"], settings["max_concurrent_runs"]) == (1234, 7)


def test_serve_warns_of_a_misspelt_setting(tmp_path: Path) -> None:
    ran = ops(tmp_path, "serve", "--show-settings", OPS_WORKER="2")
    assert (ran.returncode, json.loads(ran.stdout)["workers"]) == (0, 1)
    assert ran.stderr == "ops: OPS_WORKER is not a setting and is ignored; did you mean OPS_WORKERS?\n"


def test_service_in_a_container_says_where_a_person_opens_it(home: Path) -> None:
    (home / "modules.yaml").write_text(modules_yaml(["alpha"]))
    words = ("ops", "serve", "--host", "0.0.0.0", "--port", "0")  # noqa: S104  # as in a container
    with started(home, *words, stderr=STDOUT, OPS_PUBLISHED_AT="0.0.0.0:9000", OPS_OPEN="yes") as process:
        listening = next(entry for entry in map(json.loads, process.stdout or ()) if entry["event"] == "service.listening")
    assert listening["message"].endswith("open http://127.0.0.1:9000 in a browser")


def test_serve_with_a_bad_modules_file_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("modules:\n  alpha:\n    ulr: http://a\n")
    ran = ops(tmp_path, "serve", OPS_MODULES_FILE="bad.yaml")
    assert ran.returncode == 2
    assert "bad.yaml:3: unknown key 'ulr'; did you mean 'url'?" in ran.stderr


def test_serve_on_a_port_that_is_taken_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = ops(tmp_path, "serve", "--port", str(port))
    assert ran.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another port with --port" in ran.stderr


@pytest.mark.parametrize("host", ["192.0.2.1", "::g"])
def test_serve_on_an_address_that_this_machine_does_not_have_asks_for_another_address(tmp_path: Path, host: str) -> None:
    ran = ops(tmp_path, "serve", "--host", host, "--port", "0", OPS_OPEN="yes")
    assert ran.returncode == 2
    said = ran.stderr.splitlines()[-1]
    assert re.fullmatch(rf"ops: cannot listen on {host}:0: [A-Z][a-z ]+; choose another address with --host", said)


@pytest.mark.parametrize("words", [("serve", "--port", "0"), ("runs", "list")])
def test_run_store_that_is_a_file_is_said_so(home: Path, words: tuple[str, ...]) -> None:
    (home / "afile").touch()
    ran = ops(home, *words, OPS_RUNS_DIR="afile")
    assert ran.returncode == 2
    assert "is not a folder" in ran.stderr
    assert "set OPS_RUNS_DIR" in ran.stderr


@pytest.fixture
def waiting_home(tmp_path: Path) -> Path:
    """A home whose only module never gets ready, so that its runs stay under way."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    text = modules_yaml(["alpha"], ready_timeout_s=3600).replace("http://alpha.test", f"http://127.0.0.1:{port}")
    (tmp_path / "modules.yaml").write_text(text)
    return tmp_path


def start_run(url: str) -> str:
    """Start a run that will not end by itself."""
    answer = HTTP.post(f"{url}/plan_and_execute", json=SCENARIO, headers={"Prefer": "respond-async"})
    return str(answer.json()["run_id"])


@contextmanager
def waiting_caller(home: Path, url: str) -> Iterator[tuple[Popen[str], int]]:
    """`ops run` on a terminal, which shows a run that will not end by itself; the terminal is for the test to read."""
    (home / "scenario.json").write_text(json.dumps(SCENARIO))
    ours, theirs = pty.openpty()
    with started(home, "ops", "run", "scenario.json", "--url", url, stdout=theirs, stderr=theirs, TERM="xterm") as process:
        os.close(theirs)
        shown = os.read(ours, 65536)
        while b"alpha" not in shown:
            shown += os.read(ours, 65536)
        yield process, ours


def status_on_disk(home: Path, run_id: str) -> str:
    return str(json.loads((home / "runs" / run_id / "run.json").read_bytes())["status"])


def test_stopped_service_ends_its_runs_as_interrupted_and_exits_0(waiting_home: Path) -> None:
    with service(waiting_home, "ops", "serve", "--port", "0") as (process, url):
        run_id = start_run(url)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    assert status_on_disk(waiting_home, run_id) == "interrupted"


def test_service_that_is_stopped_before_it_serves_ends_without_a_complaint(waiting_home: Path) -> None:
    # The signal comes when the server is made and its event loop is not.
    program = (
        "import signal, sys\n"
        "from ops_orchestrator.cli.main import main\n"
        "def stop(frame, event, _):\n"
        "    if event == 'call' and frame.f_code.co_name == 'get_loop_factory':\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "sys.setprofile(stop)\n"
        "sys.argv[1:] = ['serve', '--port', '0']\n"
        "main()\n"
    )
    with started(waiting_home, "python", "-c", program, stderr=STDOUT) as process:
        output = process.communicate()[0]
    assert (process.returncode, "never awaited" in output) == (0, False)


def test_stopped_service_ends_its_streams_with_the_last_lines_of_their_runs(waiting_home: Path) -> None:
    with service(waiting_home, "ops", "serve", "--port", "0") as (process, url):
        with HTTP.sse(f"{url}/runs/{start_run(url)}/events") as stream:
            events = (json.loads(event.data) for event in stream)
            while next(events)["event"] != "step.started":
                pass
            process.send_signal(signal.SIGTERM)
            rest = list(events)
        assert process.wait() == 0
    assert (rest[-1]["event"], rest[-1]["status"]) == ("run.ended", "interrupted")


def test_caller_who_waits_while_the_service_stops_is_told_how_the_run_ended(waiting_home: Path) -> None:
    with (
        service(waiting_home, "ops", "serve", "--port", "0") as (process, url),
        ThreadPoolExecutor() as elsewhere,
    ):
        call = elsewhere.submit(HTTP.post, f"{url}/plan_and_execute", json=SCENARIO)
        while not HTTP.get(f"{url}/runs").json()["runs"]:
            pass
        process.send_signal(signal.SIGTERM)
        answer = call.result()
    assert (answer.status_code, answer.json()["status"], answer.json()["error"]["code"]) == (503, "interrupted", "INTERRUPTED")


def test_answer_that_nobody_reads_is_cut_off_with_a_sentence_when_the_service_stops(tmp_path: Path, stubs: str) -> None:
    variables: dict[str, Any] = {"OPS_MODULES_FILE": str(ROOT / "modules.yaml"), "OPS_STOP_GRACE_S": "1"}
    variables |= stub_addresses(stubs)
    with started(tmp_path, "ops", "serve", "--port", "0", stderr=STDOUT, **variables) as process:
        url = address_of(process)
        run = HTTP.post(f"{url}/plan_and_execute", content=EXAMPLE.read_bytes(), headers={"Content-Type": "application/json"})
        plot = next(tmp_path.glob("runs/*/artifacts/*/*.png"))
        os.truncate(plot, 64 * 1024 * 1024)  # more than the buffers between here and the service hold
        artifact = f"{url}/runs/{run.json()['run_id']}/artifacts/{plot.parent.name}/{plot.name}"
        with HTTP.stream("GET", artifact), connected(url) as half_sent:
            half_sent.sendall(b"POST /plan_and_execute HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
            process.send_signal(signal.SIGTERM)
            output = process.communicate()[0]
    assert "caller did not read it to the end" in output
    assert "Traceback" not in output


def test_caller_whose_service_is_killed_is_told_where_to_look(waiting_home: Path) -> None:
    with (
        service(waiting_home, "ops", "serve", "--port", "0") as (process, url),
        waiting_caller(waiting_home, url) as (caller, terminal),
    ):
        process.kill()
        shown = rest_of(terminal)
        assert caller.wait() == 3
    assert b"how the run ended: ops runs show run_" in b" ".join(shown.split())


def test_interrupted_service_exits_130(waiting_home: Path) -> None:
    with service(waiting_home, "ops", "serve", "--port", "0") as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130


def test_run_of_a_killed_service_is_interrupted_at_the_next_start(waiting_home: Path) -> None:
    with service(waiting_home, "ops", "serve", "--port", "0") as (process, url):
        run_id = start_run(url)
        while HTTP.get(f"{url}/runs/{run_id}").json()["steps"][0]["status"] != "running":
            pass
        of_the_living = ops(waiting_home, "runs", "show", run_id)
        process.kill()
        process.wait()
    assert status_on_disk(waiting_home, run_id) == "running"
    of_the_dead = ops(waiting_home, "runs", "show", run_id)
    assert (json.loads(of_the_living.stdout)["status"], of_the_living.stderr) == ("running", "")
    assert f"{run_id} is running, but no service executes it; `ops serve` ends it as interrupted" in of_the_dead.stderr
    with service(waiting_home, "ops", "serve", "--port", "0") as (_, url):
        record = HTTP.get(f"{url}/runs/{run_id}").json()
        listed = HTTP.get(f"{url}/runs", params={"status": "interrupted"}).json()["runs"]
    assert (record["status"], record["steps"][0]["status"]) == ("interrupted", "interrupted")
    assert [run["run_id"] for run in listed] == [run_id]


def test_second_service_on_the_same_store_leaves_the_first_one_s_runs_alone(waiting_home: Path) -> None:
    with service(waiting_home, "ops", "serve", "--port", "0") as (_, first):
        run_id = start_run(first)
        with service(waiting_home, "ops", "serve", "--port", "0") as (_, second):
            assert HTTP.get(f"{second}/runs/{run_id}").json()["status"] == "running"


def test_caller_who_stops_waiting_in_a_pipe_is_told_too(waiting_home: Path) -> None:
    (waiting_home / "scenario.json").write_text(json.dumps(SCENARIO))
    with (
        service(waiting_home, "ops", "serve", "--port", "0") as (_, url),
        started(waiting_home, "ops", "run", "scenario.json", "--url", url) as caller,
    ):
        while not HTTP.get(f"{url}/runs").json()["runs"]:
            pass
        caller.send_signal(signal.SIGINT)
        out, err = caller.communicate()
    assert (caller.returncode, out) == (130, "")
    # Its id may not have come back yet.
    assert "To cancel it:  ops runs cancel run_" in err or "the run goes on without you: ops runs list" in err


def test_caller_who_stops_waiting_is_told_how_to_find_the_run(waiting_home: Path) -> None:
    with (
        service(waiting_home, "ops", "serve", "--port", "0") as (_, url),
        waiting_caller(waiting_home, url) as (caller, terminal),
    ):
        caller.send_signal(signal.SIGINT)
        shown = rest_of(terminal)
        assert caller.wait() == 130
    assert b"The run goes on without you." in shown
    assert b"ops runs logs run_" in shown
    assert b"ops runs cancel run_" in shown


def test_caller_who_stops_following_is_told_how_to_go_on_and_the_run_goes_on(waiting_home: Path) -> None:
    with service(waiting_home, "ops", "serve", "--port", "0") as (_, url):
        run_id = start_run(url)
        with started(waiting_home, "ops", "runs", "logs", run_id, "--follow", "--url", url) as caller:
            assert caller.stdout is not None
            assert run_id in caller.stdout.readline()
            caller.send_signal(signal.SIGINT)
            _, err = caller.communicate()
        assert HTTP.get(f"{url}/runs/{run_id}").json()["status"] == "running"
    assert caller.returncode == 130
    assert f"ops runs logs {run_id} --follow\n" in err
    assert f"ops runs cancel {run_id}\n" in err
