"""`ops modules check` and the check of `ops up --with`: the kit itself, against stubs on real sockets."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from threading import Thread
from typing import Any

import pytest
from command_line import on_terminal, ops
from local_service import ROOT, command, environment, service, stub_addresses

from ops_orchestrator.modules.module import Module
from ops_orchestrator.runs.store.verdicts import VerdictStore
from ops_stubs import __version__

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FEW = ("--select", "OPS-HLT-*")
DOCKER = """#!/bin/sh
echo "$@" >> docker.calls
case "$*" in
  *config*) echo '{"services": {"orchestrator": {}, "monitor": {}, "orders": {}}}' ;;
  *port*) echo 127.0.0.1:8000 ;;
esac
"""


@pytest.fixture(scope="module")
def variables(stubs: str) -> dict[str, str]:
    return {"OPS_MODULES_FILE": str(ROOT / "modules.yaml"), **stub_addresses(stubs)}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a monitor whose artifacts are not what it says."""
    words = ("serve", "monitor", "--port", "0", "--violate", "OPS-ART-003")
    with service(tmp_path_factory.mktemp("broken"), "ops-stubs", *words) as (_, url):
        yield url


Check = Callable[..., CompletedProcess[str]]


@pytest.fixture
def check(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Check:
    """Runs `ops modules check`; what the kit prints, a process of its own, is added to what the command itself does."""

    def checked(*words: str, **variables: str) -> CompletedProcess[str]:
        capfd.readouterr()
        ran = ops(tmp_path, "modules", "check", *words, **variables)
        of_the_kit = capfd.readouterr()
        return CompletedProcess(words, ran.returncode, ran.stdout + of_the_kit.out, ran.stderr + of_the_kit.err)

    return checked


def kept(home: Path, module: str) -> Any:
    file = home / "runs/.compliance" / f"{module}.json"
    return json.loads(file.read_bytes()) if file.exists() else None


def test_verdict_on_a_good_module_is_kept_and_shown(tmp_path: Path, variables: dict[str, str], check: Check) -> None:
    ran = check("monitor", **variables)
    verdict = kept(tmp_path, "monitor")
    assert (ran.returncode, json.loads(ran.stdout)["compliant"]) == (0, True)
    assert (verdict["compliant"], verdict["counts"]["fail"], verdict["findings"]) == (True, 0, [])
    assert (tmp_path / "runs/.compliance" / verdict["report"]).read_text().startswith("<!doctype html>")
    assert "the whole report is runs/.compliance/reports/monitor.html" in ran.stderr
    shown = json.loads(ops(tmp_path, "modules", "show", "monitor", **variables).stdout)
    assert (shown["compliance"]["state"], shown["compliance"]["module_version"]) == ("compliant", verdict["module_version"])
    _, on_screen = on_terminal(tmp_path, "modules", "show", "monitor", **variables)
    assert f"# last compliance check: compliant ({verdict['counts']['pass']} pass, 0 fail" in on_screen


def test_verdict_on_a_module_that_breaks_the_contract_names_what_and_the_kit_s_code_stays(
    tmp_path: Path, variables: dict[str, str], broken: str, check: Check
) -> None:
    ran = check("monitor", **{**variables, "MONITOR_URL": broken})
    verdict = kept(tmp_path, "monitor")
    assert (ran.returncode, verdict["compliant"]) == (1, False)
    (unmet,) = [found for found in verdict["findings"] if found["breach"]]
    assert (unmet["id"], unmet["verdict"]) == ("OPS-ART-003", "fail")
    assert unmet["remedy"]
    with service(tmp_path, "ops", "serve", "--port", "0", **{**variables, "MONITOR_URL": broken}) as (_, url):
        code, listed = on_terminal(tmp_path, "modules", "--url", url)
    assert (code, listed.count("not compliant"), listed.count("never checked")) == (0, 1, 5)


def test_module_behind_an_adapter_is_checked_through_it(tmp_path: Path, variables: dict[str, str], check: Check) -> None:
    file = str(ROOT / "examples/adapters/modules.yaml")
    (tmp_path / "inputs.json").write_text('{"country": "DO", "indicator": "gini"}')
    ran = check("indicators", "--inputs", "inputs.json", "--modules-file", file, **variables)
    verdict = kept(tmp_path, "indicators")
    assert ran.returncode in (0, 1), ran.stderr
    assert verdict["adapter"]
    assert f"--adapter {file}:indicators" in ran.stderr


@pytest.mark.parametrize("words", [("monitor",), ("indicators", "--modules-file", "examples/adapters/modules.yaml")])
def test_module_that_is_not_there_leaves_no_verdict(
    tmp_path: Path, variables: dict[str, str], check: Check, words: tuple[str, ...]
) -> None:
    words = tuple(str(ROOT / word) if "/" in word else word for word in words)
    gone = {**variables, "MONITOR_URL": "http://127.0.0.1:9", "LEGACY_URL": "http://127.0.0.1:9"}
    ran = check(*words, **gone)
    assert ran.returncode == 3
    assert f"ops: {words[0]} cannot be reached at http://127.0.0.1:9" in ran.stderr
    assert "start it, or correct its url in modules.yaml; no verdict was kept" in ran.stderr
    assert not (tmp_path / "runs").exists()


def test_another_module_at_the_address_leaves_no_verdict(tmp_path: Path, variables: dict[str, str], check: Check) -> None:
    ran = check("monitor", **{**variables, "MONITOR_URL": variables["DATA_LAYER_URL"]})
    assert (ran.returncode, kept(tmp_path, "monitor")) == (1, None)
    assert "but 'data-layer' answers there; no verdict was kept" in ran.stderr


def test_check_of_a_part_leaves_no_verdict(tmp_path: Path, variables: dict[str, str], check: Check) -> None:
    ran = check("monitor", *FEW, "-v", **variables)
    assert "--select OPS-HLT-* --verbose " in ran.stderr.splitlines()[0]
    assert (ran.returncode, kept(tmp_path, "monitor")) == (0, None)
    assert "only a part was checked; no verdict was kept" in ran.stderr


def test_time_for_each_answer_is_given_to_the_kit(variables: dict[str, str], check: Check) -> None:
    ran = check("monitor", *FEW, "--timeout", "90", **variables)
    assert ran.returncode == 0
    assert "--timeout 90" in ran.stderr.splitlines()[0]


def test_earlier_steps_are_given_to_the_kit(tmp_path: Path, variables: dict[str, str], check: Check) -> None:
    (tmp_path / "steps.json").write_text('{"data": {"outputs": {}}}')
    ran = check("monitor", *FEW, "--upstream", str(tmp_path / "steps.json"), **variables)
    assert ran.returncode == 2
    assert "steps.json: must hold earlier steps by step id" in ran.stderr


def test_usage_error_of_the_kit_is_its_own(tmp_path: Path, variables: dict[str, str], check: Check) -> None:
    ran = check("monitor", "--inputs", "gone.json", **variables)
    assert (ran.returncode, kept(tmp_path, "monitor")) == (2, None)
    assert "cannot read gone.json" in ran.stderr


def test_without_the_kit_it_says_what_to_install(
    tmp_path: Path, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    ran = ops(tmp_path, "modules", "check", "monitor", PATH=str(tmp_path), **variables)
    assert (ran.returncode, kept(tmp_path, "monitor")) == (3, None)
    assert "the command ops-contract is missing; install openpolicystack-contract[kit]" in ran.stderr


class Monitor(BaseHTTPRequestHandler):
    """A module of which only the health is good."""

    def do_GET(self) -> None:
        """Answer with the path that was asked for."""
        body = json.dumps({"status": "ok", "module": "monitor", "version": "1", "path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_secret_of_an_address_is_neither_kept_nor_printed(tmp_path: Path, check: Check) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Monitor) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/${{MONITOR_TOKEN}}"
        (tmp_path / "modules.yaml").write_text(f'modules: {{monitor: {{url: "{url}"}}}}\n')
        variables = {"OPS_MODULES_FILE": "modules.yaml", "MONITOR_TOKEN": "t0ken-value"}
        ran = check("monitor", **variables)
        server.shutdown()
    texts = [path.read_text() for path in (tmp_path / "runs/.compliance").rglob("*") if path.is_file()]
    assert (ran.returncode, len(texts)) == (1, 2), ran.stderr
    assert not any("t0ken-value" in text for text in (*texts, ran.stdout, ran.stderr))


@pytest.fixture
def with_docker(tmp_path: Path) -> dict[str, str]:
    """The environment of a checkout with a stack, where `docker` writes down what it is asked for."""
    (tmp_path / "compose.yaml").touch()
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    return {"PATH": os.pathsep.join((str(tmp_path), str(Path(command("ops")).parent), os.environ["PATH"]))}


def up(home: Path, *words: str, **variables: str) -> CompletedProcess[str]:
    """`ops up` as a process of its own, into whose output those that it starts print."""
    line = [command("ops"), "up", *words]
    return subprocess.run(line, cwd=home, env=environment(**variables), capture_output=True, text=True, check=False)


def test_check_of_what_is_swapped_in_is_kept(tmp_path: Path, stubs: str, with_docker: dict[str, str]) -> None:
    ran = up(tmp_path, "--with", f"monitor={stubs}/monitor", **with_docker)
    assert ran.returncode == 0, ran.stderr
    assert "up --detach --wait" in (tmp_path / "docker.calls").read_text()
    assert ran.stdout.endswith(f"the answers of old {__version__} and new {__version__} are the same\n")
    compliance = VerdictStore(tmp_path / "runs").compliance(Module(name="monitor", url=stubs))
    assert (compliance.state, compliance.stale) == ("compliant", "")


def test_another_name_is_said_before_anything_is_checked_with_the_cure(
    tmp_path: Path, stubs: str, with_docker: dict[str, str]
) -> None:
    good, other = f"monitor={stubs}/monitor", f"orders={stubs}/monitor"
    ran = up(tmp_path, "--with", good, "--with", other, **with_docker)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.splitlines()[-2:] == [
        (
            f"ops: {stubs}/monitor calls itself 'monitor', and the stack would call it 'orders': "
            f"write --with {good}, or have its health and its envelopes say 'orders'"
        ),
        f"ops: {stubs}/monitor was not swapped in; fix what is named above, or add --anyway",
    ]
    assert "up --detach" not in (tmp_path / "docker.calls").read_text()


def test_without_what_checks_an_image_it_says_what_to_install_before_anything_is_built(
    tmp_path: Path, with_docker: dict[str, str]
) -> None:
    (tmp_path / "docker.py").write_text("raise ModuleNotFoundError(name='docker')\n")
    ran = up(tmp_path, "--with", "monitor=my/image", PYTHONPATH=str(tmp_path), **with_docker)
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "docker is missing; install openpolicystack-contract[kit], in a checkout with: pip install" in ran.stderr
    assert "build" not in (tmp_path / "docker.calls").read_text()
