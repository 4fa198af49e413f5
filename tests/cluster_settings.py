"""Settings of several API processes and workers that deploy/ names, and that the service does not have yet."""

from typing import Final

OF_A_CLUSTER: Final = {
    "OPS_DATABASE_URL",
    "OPS_EMBEDDED_WORKERS",
    "OPS_RUNS_URL",
    "OPS_WORKER_HOST",
    "OPS_WORKER_PORT",
}
