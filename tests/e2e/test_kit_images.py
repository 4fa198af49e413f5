"""The compliance kit against images: it starts them, holds them to the profile `container`, and leaves nothing behind."""

import json
import os
import re
import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from typing import Any

import pytest
from compose_stack import PROJECT_PREFIX
from container_engine import PYTHON_IMAGE, build, docker, engine, wait_for_log
from held_engine import held_engine
from local_service import ROOT, started

from ops_contract.compliance.result import ExitCode
from ops_contract.compliance.targets.image_under_test import LABEL

CONTAINER = ("OPS-CTR-001", "OPS-CTR-003", "OPS-CTR-002")


def built(target: str) -> Iterator[str]:
    """The image of one of the Dockerfile's targets, built from this tree."""
    tag = build(f"{PROJECT_PREFIX}{os.getpid()}-{target}:latest", ROOT, "--target", target)
    yield tag
    docker("rmi", "--force", tag)


@pytest.fixture(scope="module")
def stub_image() -> Iterator[str]:
    yield from built("stubs")


@pytest.fixture(scope="module")
def kit_image() -> Iterator[str]:
    yield from built("kit")


@dataclass(frozen=True)
class Ran:
    """A run of `ops-contract` that has ended, and the names of what it left in the engine."""

    returncode: int
    stdout: str
    stderr: str
    left: list[str]

    @property
    def report(self) -> Any:
        return json.loads(self.stdout)


def begun(*words: str, **variables: str) -> AbstractContextManager[Popen[str]]:
    return started(ROOT, "ops-contract", *words, stdout=PIPE, stderr=PIPE, **variables)


def ended(process: Popen[str]) -> Ran:
    stdout, stderr = process.communicate()
    return Ran(process.returncode, stdout, stderr, left_of(process.pid))


def kit(*words: str) -> Ran:
    with begun(*words) as process:
        return ended(process)


def left_of(pid: int) -> list[str]:
    """The names of what the check of a process has in the engine."""
    with engine() as client:
        containers = [
            (one.name, one.labels[LABEL])
            for one in client.containers.list(all=True, ignore_removed=True, filters={"label": LABEL})
        ]
        networks = [(one.name, one.attrs["Labels"][LABEL]) for one in client.networks.list(filters={"label": LABEL})]
    return [str(name) for name, mark in containers + networks if mark.startswith(f"{pid}-")]


def not_met(report: Any) -> dict[str, str]:
    return {one["id"]: one["actual"] for one in report["findings"] if one["verdict"] not in ("pass", "not_applicable")}


def test_good_image_meets_every_requirement_and_nothing_of_it_is_left(stub_image: str, tmp_path: Path) -> None:
    ran = kit("check", "--image", stub_image, "--command", "data-layer", "--strict", "--logs", str(tmp_path / "log"))
    assert (ran.returncode, not_met(ran.report)) == (ExitCode.COMPLIANT, {})
    assert ran.stderr == "ops-contract: compliant: all 53 passed\n"
    assert {one["id"] for one in ran.report["findings"] if one["verdict"] == "pass"} >= set(CONTAINER)
    assert ran.report["subject"]["target"] == stub_image
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", ran.report["subject"]["image_digest"])
    assert (tmp_path / "log").read_text().count("serving data-layer at http://0.0.0.0:") == 2
    assert ran.left == []


def test_image_is_started_as_hardened_as_the_stack_does_it(stub_image: str) -> None:
    with checking(stub_image) as process:
        attrs = running_container(process).attrs
        host, config = attrs["HostConfig"], attrs["Config"]
        process.send_signal(signal.SIGTERM)
        ended(process)
    assert (host["ReadonlyRootfs"], host["CapDrop"], list(host["Tmpfs"])) == (True, ["ALL"], ["/tmp"])  # noqa: S108
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert min(map(int, config["User"].split(":"))) >= 20_000
    assert [bound["HostIp"] for bound in host["PortBindings"]["8080/tcp"]] == ["127.0.0.1"]


@pytest.fixture(scope="module")
def of_mutants(stub_image: str, tell_score: Callable[[str], None]) -> dict[str, Ran]:
    """What the kit says of each stub that breaks one requirement of containers; at once, since they mostly wait."""

    with ExitStack() as processes:
        checks = {
            requirement: processes.enter_context(checking(stub_image, "--env", f"OPS_STUBS_VIOLATE={requirement}"))
            for requirement in CONTAINER
        }
        found = {requirement: ended(process) for requirement, process in checks.items()}
    caught = sum(set(not_met(ran.report)) == {requirement} for requirement, ran in found.items())
    tell_score(f"{caught}/{len(CONTAINER)} broken requirements of containers caught, each alone")
    return found


@pytest.mark.parametrize("requirement", CONTAINER)
def test_image_that_breaks_a_requirement_of_containers_is_reported_for_that_alone(
    of_mutants: dict[str, Ran], requirement: str
) -> None:
    ran = of_mutants[requirement]
    assert set(not_met(ran.report)) == {requirement}
    assert requirement in ran.stderr  # the end of the stub's log, where it says what is staged
    assert (ran.returncode, ran.left) == (ExitCode.NOT_COMPLIANT, [])


def test_image_that_ignores_sigterm_is_given_ten_seconds(of_mutants: dict[str, Ran]) -> None:
    ran = of_mutants["OPS-CTR-003"]
    assert not_met(ran.report)["OPS-CTR-003"].startswith("still running 10 s after SIGTERM")
    assert ran.report["duration_s"] >= 10


def test_image_that_ends_at_once_is_unreachable_and_shows_its_log_without_secrets(tmp_path: Path) -> None:
    code = "import os; print('the token is', os.environ['API_TOKEN']); raise SystemExit(7)"
    given = ["--command", shlex.join(["python3", "-c", code]), "--env", "API_TOKEN=not-for-readers"]
    ran = kit("check", "--image", PYTHON_IMAGE, *given, "--logs", str(tmp_path / "log"))
    assert (ran.returncode, ran.left) == (ExitCode.UNREACHABLE, [])
    assert "ended with exit code 7" in ran.report["unreachable"]
    assert "the token is ***" in not_met(ran.report)["OPS-CTR-001"]
    assert "the token is ***" in ran.stderr
    assert (tmp_path / "log").read_text().count("the token is ***") == 3
    assert "not-for-readers" not in ran.stdout + ran.stderr + (tmp_path / "log").read_text()


def team_module(port: str, on_execute: str) -> list[str]:
    """Options for a module like the team's that listens on the expression `port` and does something more on execute."""
    source = (Path(__file__).parent / "team_module/module.py").read_text()
    changed = source.replace("8080", port).replace("self.rfile.read(", f"{on_execute}; self.rfile.read(")
    prelude = "import os, signal\nsignal.signal(signal.SIGTERM, lambda *_: os._exit(0))\n"
    return ["--image", PYTHON_IMAGE, "--command", shlex.join(["python3", "-c", prelude + changed])]


def test_image_that_cannot_work_hardened_is_told_from_one_that_cannot_start() -> None:
    image = team_module('int(os.environ.get("OPS_PORT", "8080"))', "open('/written', 'w').close()")
    ran = kit("check", *image, "--select", "OPS-CTR-*")
    assert set(not_met(ran.report)) == {"OPS-CTR-002"}
    assert "and 200 without these limits" in not_met(ran.report)["OPS-CTR-002"]
    assert (ran.returncode, ran.left) == (ExitCode.NOT_COMPLIANT, [])


def test_image_that_has_no_default_port_is_checked_on_another_one() -> None:
    ran = kit("check", *team_module('int(os.environ["OPS_PORT"])', "pass"), "--select", "OPS-CTR-*", "--select", "OPS-HLT-001")
    assert set(not_met(ran.report)) == {"OPS-CTR-001"}
    assert (ran.returncode, ran.left) == (ExitCode.NOT_COMPLIANT, [])


def test_image_whose_command_does_not_exist_is_unreachable_and_leaves_nothing() -> None:
    ran = kit("check", "--image", PYTHON_IMAGE, "--command", "/no/such/program")
    assert (ran.returncode, ran.left) == (ExitCode.UNREACHABLE, [])
    assert "the engine cannot start it" in ran.report["unreachable"]
    assert ran.report["counts"]["pass"] == 0


def test_image_that_is_nowhere_is_pulled_in_vain_and_said_so() -> None:
    ran = kit("check", "--image", "127.0.0.1:9/nobody/nothing:1")
    assert (ran.returncode, ran.stdout, ran.left) == (ExitCode.UNREACHABLE, "", [])
    first, second = ran.stderr.splitlines()
    assert first.endswith("is not on this machine, pulling it")
    assert second.endswith("build it, or correct its name")


def test_name_that_no_image_can_have_is_a_usage_error() -> None:
    ran = kit("check", "--image", "No Name")
    assert (ran.returncode, ran.stderr.count("\n")) == (ExitCode.USAGE, 1)


def test_doctor_says_how_the_image_was_tried() -> None:
    ran = kit("doctor", "--image", PYTHON_IMAGE, "--command", "false")
    tried = [line.partition(":")[0] for line in ran.report["seen"]]
    assert (ran.returncode, ran.left) == (ExitCode.NOT_COMPLIANT, [])
    assert tried[:2] == ["hardened, OPS_PORT not set", "not hardened, OPS_PORT not set"]
    assert re.fullmatch(r"(not )?hardened, OPS_PORT \d+", tried[2])


def checking(image: str, *options: str, **variables: str) -> AbstractContextManager[Popen[str]]:
    return begun("check", "--image", image, "--command", "data-layer", *options, **variables)


def running_container(process: Popen[str]) -> Any:
    """The first container of a check, as soon as it runs."""
    with engine() as client:
        starts = client.events(since=0, filters={"label": LABEL, "event": "start", "type": "container"}, decode=True)
        for start in starts:
            if start["Actor"]["Attributes"][LABEL].startswith(f"{process.pid}-"):
                starts.close()
                return client.containers.get(start["id"])
    raise AssertionError("the engine ended")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_check_that_is_interrupted_removes_its_container(stub_image: str, number: signal.Signals) -> None:
    with checking(stub_image) as process:
        running_container(process)
        process.send_signal(number)
        ran = ended(process)
    assert ran == Ran(128 + number, "", "", [])


def test_check_that_is_interrupted_while_the_engine_makes_a_container_removes_that_too(stub_image: str, tmp_path: Path) -> None:
    with held_engine(tmp_path, b"/containers/create") as (engine, host), checking(stub_image, DOCKER_HOST=host) as process:
        engine.held.wait()
        process.send_signal(signal.SIGTERM)
        # It must not end before the engine has answered: it would never know what it has to remove.
        with suppress(TimeoutExpired):
            process.wait(timeout=1)
        process.send_signal(signal.SIGTERM)
        engine.let_go.set()
        assert ended(process).returncode == 128 + signal.SIGTERM
    # Looked up only now, when the engine has answered every request.
    assert left_of(process.pid) == []


@pytest.fixture
def stub_on_a_network(stub_image: str) -> Iterator[str]:
    """The name of a network and of a stub that can be reached on it only."""
    name, label = f"{PROJECT_PREFIX}{os.getpid()}-kit", f"{LABEL}={os.getpid()}-network"
    docker("network", "create", "--label", label, name)
    docker("run", "--detach", "--label", label, "--network", name, "--name", name, stub_image, "monitor")
    wait_for_log(name, "serving monitor at")
    yield name
    docker("rm", "--force", name)
    docker("network", "rm", name)


def test_kit_s_own_image_checks_a_service_on_a_docker_network(kit_image: str, stub_on_a_network: str) -> None:
    (line,) = re.findall(r"^ *docker (run .*check.*)$", (ROOT / "contract/README.md").read_text(), re.MULTILINE)
    ours = {
        "-t ": "",
        "MY_NETWORK": stub_on_a_network,
        "my-module": stub_on_a_network,
        "openpolicystack-contract:dev": kit_image,
    }
    for name, value in ours.items():
        assert name in line
        line = line.replace(name, value)
    assert not_met(json.loads(docker(*shlex.split(line)))) == {}
