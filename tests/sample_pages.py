"""A service with a run of each kind, and the addresses of all its pages: for tests in a browser, and for their pictures."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kit_verdicts import finding, keep, kit_report
from local_service import HTTP, ROOT, service, stub_addresses

RAISED_RATE: Final = 0.2
REFUSED_RATE: Final = 0.55
"""A VAT rate that the stub refuses, so that its run fails."""

_VAT: Final = "/policy_parameters/vat_rate"
_CIT: Final = "/policy_parameters/cit_rate"


@dataclass(frozen=True)
class Stack:
    """A service, another whose store is empty, and a module that can be told to hang, each by its address.

    `folder` has the runs, and `pages` the addresses of pages on the first service, by name.
    """

    url: str
    empty: str
    module: str
    folder: Path
    pages: dict[str, str]

    @property
    def addresses(self) -> dict[str, str]:
        """The whole address of each page, by name."""
        return {"empty": f"{self.empty}/", **{name: f"{self.url}{address}" for name, address in self.pages.items()}}


@contextmanager
def sample_stack(home: Path, rates: Sequence[float] = (0.1, 0.2), seeds: int = 2) -> Iterator[Stack]:
    """A stack below `home` with sample runs; its first sweep has these rates, and one more that fails."""
    with ExitStack() as started:

        def start(folder: Path, *words: str, **variables: str) -> str:
            return started.enter_context(service(folder, *words, "--port", "0", **variables))[1]

        stubs = start(home, "ops-stubs", "serve")
        unmet = kit_report("strategy-agent", "0.0.9", compliant=False, findings=[finding(), finding(verdict="not_testable")])
        keep(home / "runs", unmet, "strategy-agent")
        module = start(home, "ops-stubs", "serve", "strategy-agent", "--admin")
        addresses = stub_addresses(stubs) | {"STRATEGY_AGENT_URL": module}
        url = start(ROOT, "ops", "serve", OPS_RUNS_DIR=str(home / "runs"), **addresses)
        empty = start(ROOT, "ops", "serve", OPS_RUNS_DIR=str(home / "none"), **addresses)
        yield Stack(url, empty, module, home / "runs", sample_pages(url, rates, seeds))


def sample_pages(url: str, rates: Sequence[float], seeds: int) -> dict[str, str]:
    """Make runs of each kind on the service at `url`; the addresses of its pages, by name."""
    ids = {name: _run(url, rate) for name, rate in (("baseline", 0.18), ("raised", RAISED_RATE), ("failed", REFUSED_RATE))}
    one = _sweep(url, {"parameters": {_VAT: [*rates, REFUSED_RATE]}, "seeds": seeds})
    two = _sweep(url, {"parameters": {_VAT: [*rates], _CIT: [0.2, 0.3]}})
    return {
        "runs": "/",
        "filtered": "/?scenario_id=nothing",
        "new run": "/runs/new",
        "run": f"/runs/{ids['raised']}",
        "failed run": f"/runs/{ids['failed']}",
        "step": f"/runs/{ids['raised']}/steps/strategy-agent",
        "failed step": f"/runs/{ids['failed']}/steps/policy-simulator",
        "choose": "/compare",
        "compare": f"/compare?run={ids['baseline']}&run={ids['raised']}",
        "sweeps": "/sweeps",
        "new sweep": "/sweeps/new",
        "sweep": f"/sweeps/{one}",
        "change": f"/sweeps/{one}?as=change",
        "two parameters": f"/sweeps/{two}",
        "modules": "/modules",
        "module": "/modules/strategy-agent",
        "error": "/nothing",
    }


@contextmanager
def live_run(stack: Stack) -> Iterator[str]:
    """The address of a run that goes on, because its second module does not answer; cancelled at the end."""
    HTTP.put(f"{stack.module}/__stub/faults", json={"faults": ["hang:first=1"]}).raise_for_status()
    started = HTTP.post(f"{stack.url}/plan_and_execute", json=_scenario(RAISED_RATE), headers={"Prefer": "respond-async"})
    address = f"{stack.url}/runs/{started.json()['run_id']}"
    try:
        yield address
    finally:
        # It is over already where whoever got it cancelled it.
        HTTP.post(f"{address}/cancel")


def _scenario(rate: float) -> dict[str, Any]:
    scenario: dict[str, Any] = json.loads((ROOT / "examples/baseline.json").read_bytes())
    scenario["inputs"]["policy_parameters"]["vat_rate"] = rate
    return scenario


def _run(url: str, rate: float) -> str:
    return str(HTTP.post(f"{url}/plan_and_execute", json=_scenario(rate)).json()["run_id"])


def _sweep(url: str, spec: dict[str, Any]) -> str:
    scenario = _scenario(0.18) | {"modules": ["policy-simulator"], "sweep": spec}
    scenario["inputs"]["policy_parameters"]["cit_rate"] = 0.27
    # It may take longer than one request waits.
    sweep = HTTP.post(f"{url}/sweeps", json=scenario, headers={"Prefer": "wait=120"}).json()
    return str(sweep["sweep_id"])
