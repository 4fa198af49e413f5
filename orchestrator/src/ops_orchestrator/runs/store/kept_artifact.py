"""The artifacts of a stored run."""

from ops_orchestrator.errors import NotFoundError
from ops_orchestrator.runs.record import ArtifactRecord, Results


def kept_artifact(results: Results, run_id: str, step: str, name: str) -> ArtifactRecord:
    """The artifact `name` of a step, whose bytes were kept: it has a path. Raises NotFoundError.

    It is looked up in the results; no path is ever built from `name`.
    """
    known = {artifact.name: artifact for artifact in results.steps[step].artifacts} if step in results.steps else {}
    artifact = known.get(name)
    if artifact is None:
        raise NotFoundError(f"{run_id} has no artifact {name!r} of a step {step!r}.", f"/runs/{run_id}/results")
    if artifact.path is None:
        raise NotFoundError(f"{run_id} was made with save_artifacts false: only the hash of {name!r} was kept.")
    return artifact
