"""The compliance kit against images: it starts them, holds them to the profile `container`, and leaves nothing behind."""

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from compose_stack import PROJECT_PREFIX, ROOT
from held_engine import held_engine
from local_service import command, environment

from ops_contract.compliance.result import ExitCode
from ops_contract.compliance.targets.image_under_test import LABEL

BASE = os.environ.get("PYTHON_IMAGE", "python:3.13-slim-trixie")
CONTAINER = ("OPS-CTR-001", "OPS-CTR-003", "OPS-CTR-002")


def built(target: str) -> Iterator[str]:
    """The image of one of the Dockerfile's targets, built from this tree."""
    tag = f"ops-e2e-{target}:kit-images"
    words = ["docker", "build", "--quiet", "--target", target, "--tag", tag, "--build-arg", f"PYTHON_IMAGE={BASE}"]
    secret = ["--secret", f"id=ca_bundle,src={os.environ.get('CA_BUNDLE', '/dev/null')}"]
    subprocess.run([*words, *secret, "."], check=True, cwd=ROOT, capture_output=True, timeout=300)
    yield tag
    subprocess.run(["docker", "rmi", "--force", tag], check=True, capture_output=True, timeout=60)


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


def begun(*words: str, **variables: str) -> "subprocess.Popen[str]":
    words = (command("ops-contract"), *words)
    return subprocess.Popen(words, env=environment(**variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: "subprocess.Popen[str]") -> Ran:
    stdout, stderr = process.communicate(timeout=120)
    return Ran(process.returncode, stdout, stderr, left_of(process.pid))


def kit(*words: str) -> Ran:
    with begun(*words) as process:
        return ended(process)


def left_of(pid: int) -> list[str]:
    """The names of what the check of a process has in the engine."""
    client = docker.from_env()
    try:
        containers = [(one.name, one.labels[LABEL]) for one in client.containers.list(all=True, filters={"label": LABEL})]
        networks = [(one.name, one.attrs["Labels"][LABEL]) for one in client.networks.list(filters={"label": LABEL})]
    finally:
        client.close()
    return [str(name) for name, mark in containers + networks if mark.startswith(f"{pid}-")]


def not_met(report: Any) -> dict[str, str]:
    return {one["id"]: one["actual"] for one in report["findings"] if one["verdict"] not in ("pass", "not_applicable")}


def test_good_image_meets_every_requirement_and_nothing_of_it_is_left(stub_image: str, tmp_path: Path) -> None:
    ran = kit("check", "--image", stub_image, "--command", "data-layer", "--strict", "--logs", str(tmp_path / "log"))
    assert (ran.returncode, not_met(ran.report), ran.stderr) == (ExitCode.COMPLIANT, {}, "")
    assert {one["id"] for one in ran.report["findings"] if one["verdict"] == "pass"} >= set(CONTAINER)
    assert ran.report["subject"]["target"] == stub_image
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", ran.report["subject"]["image_digest"])
    assert (tmp_path / "log").read_text().count("serving data-layer at http://0.0.0.0:") == 2
    assert ran.left == []


def test_image_is_started_as_hardened_as_the_stack_does_it(stub_image: str) -> None:
    with checking(stub_image) as process:
        host, config = running_container(process).attrs["HostConfig"], running_container(process).attrs["Config"]
        process.send_signal(signal.SIGTERM)
        ended(process)
    assert (host["ReadonlyRootfs"], host["CapDrop"], list(host["Tmpfs"])) == (True, ["ALL"], ["/tmp"])  # noqa: S108
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert min(map(int, config["User"].split(":"))) >= 20_000
    assert [bound["HostIp"] for bound in host["PortBindings"]["8080/tcp"]] == ["127.0.0.1"]


@pytest.fixture(scope="module")
def of_mutants(stub_image: str, tell_score: Callable[[str], None]) -> dict[str, Ran]:
    """What the kit says of each stub that breaks one requirement of containers; two at a time, since they mostly wait."""

    def run(requirement: str) -> Ran:
        staged = ["--command", "data-layer", "--env", f"OPS_STUBS_VIOLATE={requirement}", "--ready-within", "10"]
        return kit("check", "--image", stub_image, *staged)

    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(CONTAINER, pool.map(run, CONTAINER), strict=True))
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
    ran = kit("check", "--image", BASE, *given, "--logs", str(tmp_path / "log"))
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
    return ["--image", BASE, "--command", shlex.join(["python3", "-c", prelude + changed])]


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
    ran = kit("check", "--image", BASE, "--command", "/no/such/program")
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


def test_doctor_tells_how_the_image_was_tried() -> None:
    ran = kit("doctor", "--image", BASE, "--command", "false")
    found = ran.report
    assert ran.returncode == ExitCode.NOT_COMPLIANT
    assert [line.partition(":")[0] for line in found["seen"]] == [
        "hardened, OPS_PORT not set",
        "not hardened, OPS_PORT not set",
        found["seen"][2].partition(":")[0],
    ]
    assert ran.left == []


def checking(image: str, **variables: str) -> "subprocess.Popen[str]":
    return begun("check", "--image", image, "--command", "data-layer", **variables)


def running_container(process: "subprocess.Popen[str]") -> Any:
    """The first container of a check, as soon as it runs."""
    client = docker.from_env()
    try:
        while True:
            assert process.poll() is None
            found = client.containers.list(filters={"label": LABEL}, ignore_removed=True)
            if ours := [one for one in found if one.labels[LABEL].startswith(f"{process.pid}-")]:
                return ours[0]
    finally:
        client.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_check_that_is_interrupted_removes_its_container(stub_image: str, number: signal.Signals) -> None:
    with checking(stub_image) as process:
        running_container(process)
        process.send_signal(number)
        ran = ended(process)
    assert ran == Ran(128 + number, "", "", [])


def test_check_that_is_interrupted_while_the_engine_makes_a_container_removes_that_too(stub_image: str, tmp_path: Path) -> None:
    with held_engine(tmp_path, b"/containers/create") as (engine, host), checking(stub_image, DOCKER_HOST=host) as process:
        assert engine.held.wait(30)
        process.send_signal(signal.SIGTERM)
        # It must not end before the engine has answered: it would never know what it has to remove.
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        process.send_signal(signal.SIGTERM)
        engine.let_go.set()
        assert ended(process).returncode == 128 + signal.SIGTERM
    # Asked only now: the engine has done all that it was sent.
    assert left_of(process.pid) == []


@pytest.fixture
def stub_on_a_network(stub_image: str) -> Iterator[tuple[str, str]]:
    """The names of a network and of a stub that can be reached on it only."""
    name, label = f"{PROJECT_PREFIX}{os.getpid()}-kit", f"{LABEL}={os.getpid()}-network"
    subprocess.run(["docker", "network", "create", "--label", label, name], check=True, capture_output=True, timeout=60)
    words = ["docker", "run", "--detach", "--label", label, "--network", name, "--name", name, stub_image, "monitor"]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    health = ["docker", "inspect", "--format", "{{.State.Health.Status}}", name]
    while subprocess.run(health, check=True, capture_output=True, text=True, timeout=60).stdout != "healthy\n":
        pass
    yield name, name
    subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True, timeout=60)
    subprocess.run(["docker", "network", "rm", name], check=True, capture_output=True, timeout=60)


def test_kit_s_own_image_checks_a_service_on_a_docker_network(kit_image: str, stub_on_a_network: tuple[str, str]) -> None:
    network, service = stub_on_a_network
    (line,) = re.findall(r"^ *(docker run .*check.*)$", (ROOT / "contract/README.md").read_text(), re.MULTILINE)
    told = {"-t ": "", "MY_NETWORK": network, "my-module": service, "openpolicystack-contract:dev": kit_image}
    for name, value in told.items():
        assert name in line
        line = line.replace(name, value)
    ran = subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=120, check=False)
    assert (ran.returncode, not_met(json.loads(ran.stdout))) == (ExitCode.COMPLIANT, {})
