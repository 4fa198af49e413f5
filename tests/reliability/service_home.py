"""A folder in which a service runs, is killed and starts again, and what its callers and its disk say of it afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from threading import Thread
from typing import Any, Final, Self

import httpx2
from local_service import HTTP, ROOT, command, service, started
from reliability.folder_agreement import disagreements, left_over
from reliability.log_fold import ENDED

STEPS: Final = ("fetched", "inline", "retried", "adapted")
"""A run of these leaves a file of each kind: a fetched artifact, an inline one, a retry, a mapped request."""

_REFUSED: Final = "refused"
_MODULES_YAML: Final = """\
defaults: {{ready_timeout_s: 60, retries: 2, backoff_s: 0}}
modules:
  fetched: {{url: {0}/fetched}}
  inline: {{url: {0}/inline}}
  retried: {{url: {0}/retried}}
  refusing: {{url: {0}/refusing}}
  slow: {{url: {0}/slow}}
  second: {{url: {0}/second}}
  adapted:
    url: {0}/adapted
    adapter:
      actions:
        score: {{path: /score, body: '{{"rows": inputs.rows}}', outputs: response.body.found, warnings: response.body.remark}}
"""


@dataclass
class Findings:
    """What came of all that was done to a service; all are empty when it kept its promises."""

    ordeals: int = 0
    runs: int = 0
    acknowledged: int = 0
    lost: set[str] = field(default_factory=set)
    contradictions: dict[str, list[str]] = field(default_factory=dict)
    left_over: set[str] = field(default_factory=set)
    unserved: set[str] = field(default_factory=set)

    @property
    def broken(self) -> dict[str, Any]:
        """The promises that were broken, and how; empty when none was."""
        kinds = ("lost", "contradictions", "left_over", "unserved")
        return {kind: found for kind in kinds if (found := getattr(self, kind))}


@dataclass(frozen=True)
class Answer:
    """What a caller knows of a run: the HTTP status, the run's status and its results. A refused one has no run."""

    run_id: str
    status: int
    run_status: str
    results: dict[str, Any]


class ServiceHome:
    """The folder of a service with the modules at the address `modules`, and what its callers know."""

    def __init__(self, folder: Path, modules: str) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        self.findings = Findings()
        self.acknowledged: dict[str, Answer] = {}
        self._examined: set[str] = set()
        self._unanswered: dict[str, tuple[str, ...]] = {}
        folder.mkdir(exist_ok=True)
        (folder / "modules.yaml").write_text(_MODULES_YAML.format(modules))

    @contextmanager
    def starting(self, *words: str, **variables: str) -> Iterator[Popen[str]]:
        """The service's process from its first moment, with `words` before its command."""
        before = (*words, command("ops")) if words else ("ops",)
        with started(self.folder, *before, "serve", "--port", "0", stdout=DEVNULL, stderr=PIPE, **variables) as process:
            yield process

    @contextmanager
    def serving(self, *words: str, **variables: str) -> Iterator[tuple[Popen[str], str | None]]:
        """The service once it has an address; None when it ends before."""
        with self.starting(*words, **variables) as process:
            yield process, _address(process)

    def ask(self, url: str, *steps: str, prefer: str = "", key: str = "") -> Answer | None:
        """Have a run of `steps`, or the run that has the idempotency key; None when the service dies.

        What is answered of a run must be true from now on.
        """
        scenario = {"scenario_id": "reliability", "modules": list(steps), "inputs": {"rows": [1, 2, 3]}}
        answer = self._post(f"{url}/plan_and_execute", prefer, key, json=scenario)
        if answer is None and key:
            self._unanswered[key] = steps
        return answer

    def ask_again(self, url: str) -> None:
        """Repeat the requests that had a key and got no answer: now they must get one."""
        for key, steps in self._unanswered.items():
            answer = self.ask(url, *steps, key=key)
            if answer is None or answer.run_status == _REFUSED:
                self.findings.unserved.add(f"a request that is repeated with its key: {answer}")
        self._unanswered = {}

    def order(self, url: str, answer: Answer | None, what: str, prefer: str = "") -> Answer | None:
        """`cancel` or `resume` a run that was answered; None when the service dies, or was dead."""
        if answer is None or not answer.run_id:
            return answer
        # From now on either may be true, until there is an answer.
        self.acknowledged[answer.run_id] = replace(answer, run_status="running")
        return self._post(f"{url}/runs/{answer.run_id}/{what}", prefer)

    def _post(self, address: str, prefer: str, key: str = "", **body: Any) -> Answer | None:
        headers = {"Prefer": prefer, "Idempotency-Key": key}
        try:
            found = HTTP.post(address, headers={name: value for name, value in headers.items() if value}, **body)
        except httpx2.TransportError:
            return None
        kind = found.headers.get("Content-Type", "")
        if "json" not in kind:
            self.findings.unserved.add(f"an answer {found.status_code} with {kind}: {found.text[:80]}")
        run = found.json() if "json" in kind else {}
        if "run_id" not in run:
            return Answer("", found.status_code, _REFUSED, {})
        answer = self.acknowledged[run["run_id"]] = Answer(run["run_id"], found.status_code, run["status"], run["results"])
        return answer

    def follow(self, url: str, answer: Answer | None) -> None:
        """Wait until the run of a 202 is over, or the service is dead. How it ended, once read, must be true from now on."""
        with suppress(httpx2.TransportError):
            while answer is not None and answer.run_status not in (*ENDED, _REFUSED):
                status = HTTP.get(f"{url}/runs/{answer.run_id}").json()["status"]
                if status in ENDED:
                    results = HTTP.get(f"{url}/runs/{answer.run_id}/results").json()["results"]
                    answer = self.acknowledged[answer.run_id] = replace(answer, run_status=status, results=results)

    def examine(self, url: str, *, again: bool = False) -> None:
        """Compare what was acknowledged, what the service at `url` says, when no run is under way, and what is on disk.

        What was found to be right is looked at once more only when `again` is set.
        """
        if again:
            self._examined = set()
        findings, listed = self.findings, _listed(url)
        folders = {path.name for path in self.runs.iterdir() if path.name.startswith("run_")}
        for run_id in sorted(self.acknowledged.keys() - self._examined):
            findings.lost |= {*_lost(url, run_id, self.acknowledged[run_id], listed.get(run_id))}
        for run_id in sorted(folders - self._examined):
            if found := disagreements(self.runs / run_id):
                findings.contradictions[run_id] = found
            if listed.get(run_id) not in ENDED:
                findings.unserved.add(f"{run_id} is listed as {listed.get(run_id)}")
        findings.left_over |= {*left_over(self.runs)}
        self._examined |= folders | self.acknowledged.keys()

    def under_way(self, url: str) -> list[str]:
        """The runs that are not over, as the service at `url` lists them."""
        return [run_id for run_id, status in _listed(url).items() if status not in ENDED]

    def count(self) -> None:
        """Add the runs there are, and those that were acknowledged, to the findings."""
        self.findings.runs += len([path for path in self.runs.iterdir() if path.name.startswith("run_")])
        self.findings.acknowledged += len(self.acknowledged)

    def as_of_now(self, folder: Path) -> Self:
        """What callers know now, about a copy of the home in `folder`; what is found there is added to the same findings."""
        copied = copy(self)
        copied.folder, copied.runs = folder, folder / "runs"
        copied.acknowledged, copied._examined = dict(self.acknowledged), set()  # noqa: SLF001  # of this class
        return copied

    def check_that_it_serves(self, url: str) -> None:
        """Have one more run, which must complete."""
        answer = self.ask(url, *STEPS)
        if answer is None or answer.status != 200:
            self.findings.unserved.add(f"a new run: {answer}")


@contextmanager
def module_server() -> Iterator[str]:
    """The modules in a process of their own, and their address."""
    with service(ROOT / "tests", "python", "reliability/module_server.py") as (_, address):
        yield address


def _address(process: Popen[str]) -> str | None:
    for line in process.stderr or ():
        if '"service.listening"' in line:
            # What it says from now on nobody reads, and a full pipe would stop it.
            Thread(target=process.stderr.read, daemon=True).start()  # type: ignore[union-attr]  # iterated above
            return "http://" + line.partition("http://")[2].split('"')[0]
    return None


def _listed(url: str) -> dict[str, str]:
    """The status of each run in the list of runs."""
    listed: dict[str, str] = {}
    parameters: dict[str, str] = {"limit": "500"}
    while True:
        page = HTTP.get(f"{url}/runs", params=parameters).json()
        listed |= {run["run_id"]: run["status"] for run in page["runs"]}
        if page["next_cursor"] is None:
            return listed
        parameters["cursor"] = page["next_cursor"]


def _lost(url: str, run_id: str, known: Answer, listed: str | None) -> Iterator[str]:
    """What was acknowledged of a run and is not so any more."""
    record = HTTP.get(f"{url}/runs/{run_id}").json()
    expected = (known.run_status,) if known.run_status in ENDED else ENDED
    if record["status"] not in expected or listed != record["status"]:
        yield f"{run_id}: was {known.run_status} in a {known.status}, is {record['status']}, and in the list {listed}"
    elif known.run_status in ENDED and HTTP.get(f"{url}/runs/{run_id}/results").json()["results"] != known.results:
        yield f"{run_id}: was {known.run_status} in a {known.status}, and has other results than were answered"
