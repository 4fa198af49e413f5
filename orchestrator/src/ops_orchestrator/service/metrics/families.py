"""Every metric that there is, by name: docs/observability.md describes them in the same order.

What a process says of itself has the label `worker`, its number from 0; what is the same for all workers has not. No label
holds what a caller wrote: modules and actions are those of modules.yaml, everything else is in a list of this project.
"""

from dataclasses import dataclass
from typing import Final, Literal

from ops_orchestrator.runs.events import ENDED, NOT_OVER

Kind = Literal["counter", "gauge", "histogram"]

OTHER: Final = "other"
"""The value of a label for what is not in its list, such as a module of an older modules.yaml, in a run that is resumed."""

ENDED_STATUSES: Final = tuple(sorted(ENDED))
OPEN_STATUSES: Final = NOT_OVER
STEP_STATUSES: Final = ("completed", "failed")
CODES: Final = frozenset(
    {
        "ANSWER_TOO_LARGE",
        "CANCELLED",
        "INTERRUPTED",
        "INVALID_ANSWER",
        "MAPPING_FAILED",
        "MODULE_ERROR",
        "MODULE_NOT_READY",
        "MODULE_TIMEOUT",
        "MODULE_UNREACHABLE",
        "NOT_RECORDED",
        "ORCHESTRATOR_ERROR",
        "RUN_DEADLINE",
        "UNSUPPORTED_CONTRACT",
        "VERSION_CHANGED",
    }
)
"""The codes with which steps and runs fail. What a module calls its own error stands in the run, and in no label."""

WORKER: Final = "worker"

_CALL_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_RUN_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
_LAG_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass(frozen=True)
class Family:
    """A metric: its name, what it means, its labels besides `worker`, and the upper bounds of a histogram's buckets.

    `of_service` says that it is the same for all workers, of which the first one tells it.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    of_service: bool = False


RUNS_STARTED: Final = Family("ops_runs_started_total", "counter", "Runs that were accepted, or resumed.")
RUNS_ENDED: Final = Family("ops_runs_ended_total", "counter", "Runs that ended, by status.", ("status",))
RUN_FAILURES: Final = Family("ops_run_failures_total", "counter", "Runs that did not complete, by the code of why.", ("code",))
RUNS: Final = Family("ops_runs", "gauge", "Runs that are queued or running now.", ("status",))
RUN_DURATION: Final = Family(
    "ops_run_duration_seconds",
    "histogram",
    "From the start of a run's execution to its end, on disk.",
    ("status",),
    _RUN_BUCKETS,
)
RUN_WAIT: Final = Family("ops_run_wait_seconds", "histogram", "How long runs waited for their turn.", buckets=_RUN_BUCKETS)
STEPS_ENDED: Final = Family("ops_steps_ended_total", "counter", "Steps that ended.", ("module", "action", "status"))
STEP_DURATION: Final = Family(
    "ops_step_duration_seconds",
    "histogram",
    "From the start of a step to its end: readiness, all attempts, and the pauses between them.",
    ("module", "action"),
    _CALL_BUCKETS,
)
CALL_DURATION: Final = Family(
    "ops_module_call_duration_seconds",
    "histogram",
    "One attempt: the request, the answer, and its artifacts; of a job, until it is done.",
    ("module", "action"),
    _CALL_BUCKETS,
)
RETRIES: Final = Family(
    "ops_step_retries_total", "counter", "Attempts that failed and were made again.", ("module", "action", "code")
)
STEP_FAILURES: Final = Family("ops_step_failures_total", "counter", "Steps that failed.", ("module", "action", "code"))
OPEN_CALLS: Final = Family(
    "ops_module_open_requests", "gauge", "Requests to modules without a whole answer yet, health checks included.", ("module",)
)
CALLS: Final = Family(
    "ops_module_calls",
    "gauge",
    "Calls of modules: running, or waiting for fewer than max_in_flight of them to be running.",
    ("module", "status"),
)
CALLS_LIMIT: Final = Family(
    "ops_module_calls_limit",
    "gauge",
    "max_in_flight in modules.yaml, of each process; missing where it is not set.",
    ("module",),
    of_service=True,
)
MODULE_READY: Final = Family(
    "ops_module_ready", "gauge", "1 when the last health check found the module ready, else 0.", ("module",), of_service=True
)
MODULE_CHECKED: Final = Family(
    "ops_module_checked_timestamp_seconds", "gauge", "When that health check ended.", ("module",), of_service=True
)
RUNS_LIMIT: Final = Family(
    "ops_runs_limit", "gauge", "OPS_MAX_CONCURRENT_RUNS and OPS_MAX_QUEUED_RUNS.", ("status",), of_service=True
)
QUEUE: Final = Family(
    "ops_queue_runs",
    "gauge",
    "Runs in the queue of a database that wait, or that workers have; see docs/cluster.md.",
    ("state",),
    of_service=True,
)
STORE_BYTES: Final = Family(
    "ops_store_bytes", "gauge", "Bytes of the files in OPS_RUNS_DIR, measured now and then.", of_service=True
)
STORE_MEASURED: Final = Family(
    "ops_store_measured_timestamp_seconds", "gauge", "When ops_store_bytes was measured.", of_service=True
)
STORE_FREE: Final = Family(
    "ops_store_free_bytes", "gauge", "Bytes that the service can still write where runs are kept.", of_service=True
)
STORE_SIZE: Final = Family(
    "ops_store_filesystem_bytes", "gauge", "Size of the file system where runs are kept.", of_service=True
)
STORE_FREE_FILES: Final = Family(
    "ops_store_free_files", "gauge", "Files that can still be made where runs are kept.", of_service=True
)
STORE_WRITABLE: Final = Family(
    "ops_store_writable", "gauge", "1 when a run can be stored, else 0; what GET /ready says.", of_service=True
)
LOOP_LAG: Final = Family(
    "ops_event_loop_lag_seconds",
    "histogram",
    "How much later than planned the event loop did something that it does twice a second.",
    buckets=_LAG_BUCKETS,
)
CONNECTIONS: Final = Family("ops_http_connections", "gauge", "Open connections of callers.")
WORKER_UP: Final = Family("ops_worker_up", "gauge", "1 when the worker answered for this scrape, else 0.")
BUILD: Final = Family(
    "ops_build_info",
    "gauge",
    "1, with versions as labels.",
    ("version", "contract_version", "python_version"),
    of_service=True,
)
PROCESS_CPU: Final = Family("process_cpu_seconds_total", "counter", "User and system processor time.")
PROCESS_MEMORY: Final = Family("process_resident_memory_bytes", "gauge", "Resident memory.")
PROCESS_VIRTUAL: Final = Family("process_virtual_memory_bytes", "gauge", "Virtual memory.")
PROCESS_FILES: Final = Family("process_open_fds", "gauge", "Open file descriptors.")
PROCESS_MOST_FILES: Final = Family("process_max_fds", "gauge", "Most file descriptors that the process may have open.")
PROCESS_START: Final = Family("process_start_time_seconds", "gauge", "When the process started.")

FAMILIES: Final = tuple(value for value in globals().values() if isinstance(value, Family))
"""All of them, in the order above."""

BY_NAME: Final = {family.name: family for family in FAMILIES}
