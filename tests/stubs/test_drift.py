"""`ops-stubs drift`: what a live module answers otherwise than in a run, and what counts as otherwise."""

import json
import os
import pty
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import Popen
from typing import Any

import anyio
import httpx2
import pytest
from command_line import rest_of
from local_service import command, environment
from recorded_run import copy, document, replace, run, scenario
from typer.testing import CliRunner, Result

from ops_contract import ABSENT, Difference
from ops_stubs import __version__
from ops_stubs.cli import cli
from ops_stubs.drift import Drift, StepDrift, lasting
from ops_stubs.drift_report import lines
from ops_stubs.errors import LiveError
from ops_stubs.live_module import LiveModule

Serve = Callable[..., AbstractContextManager[tuple["Popen[str]", int]]]


class Live:
    """A stub in a process of its own, in which failures can be staged."""

    def __init__(self, url: str) -> None:
        self.url = url

    def stage(self, *violate: str, faults: tuple[str, ...] = ()) -> None:
        httpx2.post(f"{self.url}/__stub/reset").raise_for_status()
        httpx2.put(f"{self.url}/__stub/faults", json={"violate": violate, "faults": faults}).raise_for_status()

    def asked(self) -> list[dict[str, Any]]:
        """The bodies of the execute requests so far."""
        entries = httpx2.get(f"{self.url}/__stub/requests").json()["requests"]
        return [json.loads(entry["body"]) for entry in entries if entry["path"] == "/execute"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two modules that are quick; not to be changed."""
    return run(tmp_path_factory.mktemp("recorded"), scenario(["dr-anticorruption", "monitor"]))


@pytest.fixture(scope="module")
def served(serve: Serve) -> Iterator[Live]:
    with serve("dr-anticorruption", "--admin") as (_, port):
        yield Live(f"http://127.0.0.1:{port}")


@pytest.fixture
def live(served: Live) -> Live:
    served.stage()
    return served


def drift(*words: str) -> Result:
    return CliRunner().invoke(cli, ["drift", *words])


def found(folder: Path, live: Live) -> tuple[int, dict[str, Any]]:
    """The exit code, and what is said of the only step."""
    result = drift(str(folder), live.url)
    (step,) = json.loads(result.stdout)["steps"]
    return result.exit_code, step


def test_drift_of_the_recorded_module_is_none(recorded: Path, live: Live) -> None:
    result = drift(str(recorded), live.url)
    version = {"recorded": __version__, "now": __version__}
    step = {"step": "dr-anticorruption", "action": "execute", "same": True, "version": version, "differences": []}
    told = {
        "run_id": recorded.name,
        "module": "dr-anticorruption",
        "url": live.url,
        "same": True,
        "steps": [step],
        "unanswered": [],
    }
    assert (result.exit_code, json.loads(result.stdout)) == (0, told)


def test_drift_sends_what_was_recorded_under_a_run_id_of_its_own(recorded: Path, live: Live) -> None:
    drift(str(recorded), live.url)
    drift(str(recorded), live.url)
    recorded_body = document(recorded, "steps/1-dr-anticorruption/request.json")
    bodies = live.asked()
    assert len({body.pop("run_id") for body in bodies} | {recorded_body.pop("run_id")}) == 3
    assert bodies == [recorded_body, recorded_body]


@pytest.mark.parametrize(
    ("violation", "pointer", "sides"),
    [
        ("OPS-ART-003", "/artifacts/entities.json/sha256", {"recorded", "now"}),
        ("OPS-ART-005", "/artifacts/ENTITIES.JSON", {"now"}),
        ("OPS-EVD-002", "/evidence/contracts/supports/10", {"now"}),
        ("OPS-EVD-003", "/evidence/contracts/synthetic", {"recorded"}),
        ("OPS-EXE-001", "/warnings/0", {"now"}),
        ("OPS-EXE-002", "/module", {"recorded", "now"}),
        ("OPS-EXE-003", "/outputs", {"recorded", "now"}),
    ],
)
def test_drift_of_a_changed_answer_points_to_the_change(
    recorded: Path, live: Live, violation: str, pointer: str, sides: set[str]
) -> None:
    live.stage(violation)
    code, step = found(recorded, live)
    assert (code, step["same"]) == (1, False)
    assert {each["pointer"]: each.keys() - {"pointer"} for each in step["differences"]}[pointer] == sides


def test_drift_of_changed_outputs_names_both_values(recorded: Path, live: Live, tmp_path: Path) -> None:
    """A run of another seed stands for a module that has learnt something else."""
    folder = copy(recorded, tmp_path)
    body = document(folder, "steps/1-dr-anticorruption/request.json")
    replace(folder, "1-dr-anticorruption", "request", json.dumps(body | {"options": {"seed": 43}}).encode())
    code, step = found(folder, live)
    overall = document(recorded, "results.json")["results"]["dr-anticorruption"]["overall"]
    (changed,) = [each for each in step["differences"] if each["pointer"] == "/outputs/overall"]
    assert (code, changed["recorded"]) == (1, overall)
    assert changed["now"] != overall


def test_drift_does_not_count_a_new_version_and_tells_it(recorded: Path, live: Live) -> None:
    live.stage("OPS-EXE-007")
    code, step = found(recorded, live)
    assert (code, step["same"], step["version"]) == (0, True, {"recorded": __version__, "now": None})


def test_drift_to_an_error_points_to_it(recorded: Path, live: Live) -> None:
    live.stage(faults=("status:code=500",))
    code, step = found(recorded, live)
    assert code == 1
    assert {"pointer": "/http_status", "recorded": 200, "now": 500} in step["differences"]
    assert {"/error", "/outputs", "/status"} <= {each["pointer"] for each in step["differences"]}


def test_drift_to_what_is_no_envelope_points_to_the_body(recorded: Path, live: Live) -> None:
    live.stage(faults=("malformed",))
    code, step = found(recorded, live)
    assert (code, "/body" in {each["pointer"] for each in step["differences"]}) == (1, True)


def test_drift_of_a_refusal_is_none_when_it_is_refused_again(tmp_path: Path, live: Live) -> None:
    folder = run(tmp_path, scenario(["dr-anticorruption", {"module": "dr-anticorruption", "id": "later"}], country="Atlantis"))
    told = json.loads(drift(str(folder), live.url).stdout)
    assert (told["same"], [step["step"] for step in told["steps"]], told["unanswered"]) == (
        True,
        ["dr-anticorruption"],
        ["later"],
    )


def test_drift_of_a_run_that_kept_hashes_only_compares_those(tmp_path: Path, live: Live) -> None:
    folder = run(tmp_path, scenario(["dr-anticorruption"], save_artifacts=False))
    assert found(folder, live)[0] == 0
    live.stage("OPS-ART-003")
    code, step = found(folder, live)
    assert (code, [each["pointer"] for each in step["differences"]]) == (1, ["/artifacts/entities.json/sha256"])


def test_drift_on_a_terminal_is_a_line_a_step_and_a_line_a_difference(recorded: Path, live: Live) -> None:
    live.stage("OPS-ART-005", "OPS-EXE-002", "OPS-EXE-007")
    assert on_terminal("drift", str(recorded), live.url) == (
        1,
        [
            f"dr-anticorruption: 2 differences (version {__version__} then, unknown now)",
            "  /artifacts/ENTITIES.JSON: gained",
            '  /module: recorded "dr-anticorruption", now "dr-anticorruption-other"',
        ],
    )


def test_lines_of_a_step_that_drifted_are_its_first_differences() -> None:
    changed = tuple(Difference(f"/outputs/{number}", number, ABSENT) for number in range(22))
    gone = Difference("/evidence/e1", {"kind": "x"}, ABSENT)
    steps = (StepDrift("one", "execute", "1", "1", ()), StepDrift("two", "execute", "1", "1", (gone, *changed)))
    assert list(lines(Drift("run_1", "m", "http://m", steps, ("three",)))) == [
        "one: same",
        "two: 23 differences",
        "  /evidence/e1: dropped",
        *(f"  /outputs/{number}: recorded {number}, now nothing" for number in range(19)),
        "  and 3 more; --json has all of them",
        "three: not compared, since it was not answered in run_1",
    ]


def on_terminal(*arguments: str) -> tuple[int, list[str]]:
    """The exit code, and the lines that a terminal shows."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [command("ops-stubs"), *arguments], env=environment(), stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = rest_of(ours)
    return process.returncode, shown.decode().splitlines()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["RUN", "http://127.0.0.1:1"], 3, "http://127.0.0.1:1/health cannot be reached"),
        (["RUN", "http://127.0.0.1:1", "--module", "dr-anticorruption"], 3, "http://127.0.0.1:1/execute cannot be reached"),
        (["RUN", "LIVE/nothing"], 3, "/nothing/health does not answer as a module that is ready: the status is 404"),
        (["RUN", "LIVE?a=1"], 2, "is not an address of a module"),
        (["RUN", "http://me:secret@127.0.0.1"], 2, "is not an address of a module"),
        (["RUN", "127.0.0.1:80"], 2, "is not an address of a module"),
        (["RUN", "LIVE", "--module", "data-layer"], 2, "has no step of 'data-layer'"),
        (["RUN/steps", "LIVE"], 2, "is not a run folder"),
    ],
)
def test_drift_that_cannot_be_told_is_a_sentence_and_an_exit_code(
    recorded: Path, live: Live, arguments: list[str], code: int, sentence: str
) -> None:
    result = drift(*(each.replace("RUN", str(recorded)).replace("LIVE", live.url) for each in arguments))
    assert (result.exit_code, result.stdout) == (code, "")
    assert sentence in result.stderr


def test_drift_of_steps_that_are_named_asks_whatever_module_is_there(recorded: Path, live: Live) -> None:
    told = json.loads(drift(str(recorded), live.url, "--module", "monitor").stdout)
    assert (told["module"], told["same"], told["steps"][0]["step"]) == ("monitor", False, "monitor")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "timeout_s", "sentence"),
    [
        ("hang", 0.3, "no whole answer within 0.3 s"),
        ("reset", 10, "cannot be reached"),
        ("oversized:mib=65", 10, "answers with more than 67108864 bytes"),
    ],
)
async def test_live_module_that_gives_no_answer_is_said_so(live: Live, fault: str, timeout_s: float, sentence: str) -> None:
    live.stage(faults=(fault,))
    async with LiveModule.at(live.url) as module:
        with anyio.fail_after(20), pytest.raises(LiveError, match=sentence):
            await module.execute(b"{}", timeout_s)


def test_what_is_volatile_or_says_nothing_does_not_last() -> None:
    """`meta`, versions, `observed_at`, the delivery of artifacts, orders without a meaning, and nulls."""
    content = {"name": "a", "media_type": "text/plain", "size_bytes": 1, "sha256": "ab"}
    evidence: list[dict[str, Any]] = [
        {"id": "e1", "kind": "x", "title": "t", "observed_at": "then", "uri": None},
        {"id": "e2", "kind": "x", "title": "t"},
    ]
    base = {"status": "success", "module": "m", "outputs": {"a": 1}}
    one = {**base, "version": "1", "meta": {"ms": 1}, "artifacts": [{**content, "href": "x"}], "evidence": evidence}
    now = [{"id": "e1", "kind": "x", "title": "t", "observed_at": "now"}, evidence[1]]
    other = {**base, "version": "2", "warnings": [], "artifacts": [{**content, "text": "a"}], "evidence": now[::-1]}
    assert lasting(200, json.dumps(one).encode()) == lasting(200, json.dumps(other).encode())
