"""How many files and bytes a run of the example scenario leaves: measured, and kept in docs/scale.json.

`--write` measures again. What a million runs cost follows from it, see `run_cost.py`.
"""

import argparse
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from conditions import commit
from load import MeasurementError
from programs import free_port, started
from pydantic import BaseModel, ConfigDict

_ROOT: Final = Path(__file__).parents[1]
RESULT_FILE: Final = _ROOT / "docs/scale.json"
SCENARIO: Final = _ROOT / "examples/plan_and_execute.request.json"
STEPS: Final = 2
_TRIES, _PAUSE_S = 600, 0.1


class RunFolder(BaseModel):
    """Files and bytes of one folder. `log_bytes` is the log at its end, `step_files` are those that its steps name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    commit: str
    files: int
    step_files: int
    bytes: int
    log_bytes: int

    @property
    def puts(self) -> int:
        """Puts of a run in a bucket: each file once, run.json twice, the log at the begin, with each step, and at the end."""
        return self.files + 1 + (2 + STEPS - 1)

    @property
    def sent_bytes(self) -> int:
        """Bytes that are sent for it: the log is sent whole each time, and grows evenly."""
        times = 2 + STEPS
        return self.bytes + round(self.log_bytes * (times + 1) / 2) - self.log_bytes


def measured_folder() -> RunFolder:
    """Execute the example scenario with the stubs, in processes of their own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs, stubs_port, port = folder / "runs", free_port(), free_port()
        stubs = [sys.executable, "-m", "ops_stubs", "serve", "--port", str(stubs_port)]
        service = [sys.executable, "-m", "ops_orchestrator", "serve"]
        variables = {
            "OPS_PORT": str(port),
            "OPS_RUNS_DIR": str(runs),
            "OPS_MODULES_FILE": str(_ROOT / "modules.yaml"),
            "STUBS_URL": f"http://127.0.0.1:{stubs_port}",
        }
        with started(stubs, {}, folder / "stubs.log"), started(service, variables, folder / "service.log"):
            _execute(f"http://127.0.0.1:{port}/plan_and_execute")
        (run,) = runs.glob("run_*")
        files = [path for path in run.rglob("*") if path.is_file()]
        of_steps = [path for path in files if path.relative_to(run).parts[0] in ("steps", "artifacts")]
        return RunFolder(
            commit=commit(),
            files=len(files),
            step_files=len(of_steps),
            bytes=sum(path.stat().st_size for path in files),
            log_bytes=(run / "logs.jsonl").stat().st_size,
        )


def _execute(url: str) -> None:
    """Have the run made; connecting is tried again while the service starts."""
    request = urllib.request.Request(url, SCENARIO.read_bytes(), {"Content-Type": "application/json"})  # noqa: S310  # ours
    for _ in range(_TRIES):
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310  # as above
                answer.read()
                return
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
        time.sleep(_PAUSE_S)
    raise MeasurementError("the service did not start")


def read_folder() -> RunFolder:
    """What was measured last."""
    return RunFolder.model_validate_json(RESULT_FILE.read_bytes())


def main() -> None:
    """Measure, print, and keep it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="keep it in docs/scale.json")
    folder = measured_folder()
    print(folder.model_dump_json(indent=1))
    if parser.parse_args().write:
        RESULT_FILE.write_text(folder.model_dump_json(indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
