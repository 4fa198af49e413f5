"""What the system says of this process. Blocking."""

from prometheus_client import ProcessCollector

from ops_orchestrator.service.metrics.families import BY_NAME
from ops_orchestrator.service.metrics.tally import Samples


def process_figures() -> Samples:
    """Processor time, memory and descriptors; where the system has no /proc, nothing."""
    samples = [sample for family in ProcessCollector(registry=None).collect() for sample in family.samples]
    return {sample.name: [((), float(sample.value))] for sample in samples if sample.name in BY_NAME}
