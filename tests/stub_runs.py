"""Runs of shipped scenarios with the stubs, for tests that read them: made once, and never changed."""

import json
from dataclasses import dataclass
from pathlib import Path

import recorded_run
from local_service import ROOT


@dataclass(frozen=True)
class StubRuns:
    """A folder with modules.yaml and runs/, in which commands can be called, and the ids of its runs by scenario."""

    home: Path
    ids: dict[str, str]


def make_stub_runs(home: Path) -> StubRuns:
    """Run three shipped scenarios, and one, `failed`, whose first module refuses its inputs."""
    names = ("baseline", "vat-raised", "all-modules")
    scenarios = {name: json.loads((ROOT / "examples" / f"{name}.json").read_bytes()) for name in names}
    scenarios["failed"] = recorded_run.scenario(policy_parameters={"vat_rate": 7})
    return StubRuns(home, {name: recorded_run.run(home, asked).name for name, asked in scenarios.items()})
