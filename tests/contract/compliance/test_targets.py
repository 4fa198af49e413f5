"""What `ops-contract` can be pointed at, as far as no container is needed; those are in tests/e2e."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from command_line import ops_contract
from local_service import command, environment, started

from ops_contract.compliance.arguments import UsageError
from ops_contract.compliance.result import ExitCode
from ops_contract.compliance.target_options import TargetOptions
from ops_contract.compliance.targets.errors import TargetError
from ops_contract.compliance.targets.local_command import command_target

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SERVES = "print('at http://127.0.0.1:9', flush=True)"


def kit(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return ops_contract(Path(), *words, **variables)


def refuses(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as caller:
        return caller.connect_ex((parts.hostname or "", parts.port or 0)) != 0


def children(pid: int) -> set[str]:
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_stub_is_started_checked_and_stopped() -> None:
    ran = kit("check", "--stub", "data-layer")
    report = json.loads(ran.stdout)
    assert (ran.returncode, ran.stderr) == (0, "ops-contract: compliant: all 50 passed\n")
    assert (report["subject"]["target"], report["subject"]["module"]) == ("stub data-layer", "data-layer")
    assert [one["id"] for one in report["findings"] if one["verdict"] == "not_applicable"] == [
        "OPS-FIG-001",
        *(f"OPS-CTR-00{number}" for number in (1, 2, 3)),
    ]
    assert refuses(report["subject"]["url"])


def test_replay_of_a_stub_that_breaks_the_requirement_says_so() -> None:
    ran = kit("replay", "OPS-EXE-007", "--stub", "monitor", OPS_STUBS_VIOLATE="OPS-EXE-007")
    (finding,) = json.loads(ran.stdout)["findings"]
    assert (ran.returncode, finding["verdict"]) == (1, "warn")


def test_doctor_looks_at_a_stub_too() -> None:
    ran = kit("doctor", "--stub", "monitor")
    assert ran.returncode == 0
    assert json.loads(ran.stdout)["advice"] == ["Run ops-contract check with the same options."]


def test_stub_that_does_not_exist_is_a_usage_error_with_the_stub_s_own_words() -> None:
    ran = kit("check", "--stub", "data-layr")
    assert ran.returncode == ExitCode.USAGE
    assert "did you mean 'data-layer'?" in ran.stderr


def test_check_of_two_targets_is_a_usage_error_in_one_sentence() -> None:
    ran = kit("check", "--image", "x", "--stub", "y")
    assert (ran.returncode, ran.stdout) == (ExitCode.USAGE, "")
    one_of = "a URL, --image IMAGE, --stub NAME or --adapter FILE:NAME"
    assert ran.stderr == f"ops-contract: check one of {one_of}; --image and --stub were given\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (TargetOptions(), "nothing was given"),
        (TargetOptions(url="http://localhost:1", stub="monitor"), "a URL and --stub were given"),
        (TargetOptions(url="localhost:8080"), "is not a base URL"),
        (TargetOptions(stub="monitor", env=["A=b"]), "are for --image"),
        (TargetOptions(url="http://localhost", logs=Path("log")), "are for --image"),
        (TargetOptions(image="x", env=["OPS_PORT=1"]), "the kit sets it"),
        (TargetOptions(image="x", env=["=1"]), "has no name"),
        (TargetOptions(image="x", env=["OPS_NOT_SET_ANYWHERE"]), "not set; write OPS_NOT_SET_ANYWHERE=VALUE"),
        (TargetOptions(image="x", command="a 'b"), "cannot be split into words"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_what_to_write(options: TargetOptions, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        options.opened(lambda _: None)


@pytest.mark.parametrize(
    ("host", "reason"),
    [("tcp://127.0.0.1:9", "connection refused"), ("unix:///not/there.sock", "its socket is not there")],
)
def test_image_without_an_engine_is_unreachable_in_one_sentence(host: str, reason: str) -> None:
    # The client of Docker leaves its socket to the end of the process.
    words = [command("ops-contract"), "check", "--image", "x"]
    ran = subprocess.run(words, env=environment(DOCKER_HOST=host), capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (ExitCode.UNREACHABLE, "")
    assert ran.stderr == f"ops-contract: no container engine answers: {reason}; start Docker, or set DOCKER_HOST\n"


def test_check_of_a_url_loads_no_client_of_an_engine() -> None:
    code = "import sys, ops_contract.compliance.cli; print(sorted({'docker', 'requests'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


async def test_command_that_is_missing_names_the_package_to_install() -> None:
    with pytest.raises(TargetError, match="no command ops-nothing here; install ops-something") as raised:
        async with command_target(["ops-nothing"], "x", "ops-something"):
            pass
    assert raised.value.exit_code == ExitCode.USAGE


async def test_command_that_ends_at_once_shows_its_last_lines() -> None:
    code = "for line in range(100): print('line', line)\nraise SystemExit(7)"
    with pytest.raises(TargetError, match="ended with exit code 7; its output:\n  line 90\n") as raised:
        async with command_target(["python", "-c", code], "x", "y"):
            pass
    assert raised.value.exit_code == ExitCode.UNREACHABLE


async def test_command_that_never_says_where_it_serves_is_given_up() -> None:
    with pytest.raises(TargetError, match="printed no address within 1 s; its output:\n  hello"):
        async with command_target(["sh", "-c", "echo hello; exec sleep 1000"], "x", "y", start_s=1):
            pass


async def test_command_that_ignores_sigterm_is_killed() -> None:
    code = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SERVES}; signal.pause()"
    before = children(os.getpid())
    async with command_target(["python", "-c", code], "x", "y", stop_s=0.2) as target:
        (started,) = children(os.getpid()) - before
    assert target.url == "http://127.0.0.1:9"
    assert not is_running(started)


async def test_command_that_says_more_than_a_pipe_holds_goes_on() -> None:
    before = children(os.getpid())
    async with command_target(["python", "-c", f"{SERVES}; print('x' * 300_000, flush=True)"], "x", "y"):
        (started,) = children(os.getpid()) - before
        # It ends when it has said everything.
        while is_running(started):  # noqa: ASYNC110  # no other process can set an event of ours
            await asyncio.sleep(0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_check_that_is_interrupted_stops_the_stub(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path, "ops-contract", "check", "--stub", "monitor") as process:
        while not (stubs := children(process.pid)):
            assert process.poll() is None
        process.send_signal(number)
        output = process.communicate()
    assert (process.returncode, output) == (128 + number, ("", ""))
    assert not any(map(is_running, stubs))
