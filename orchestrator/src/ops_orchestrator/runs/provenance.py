"""What makes a run checkable: versions, the two fingerprints, the manifest."""

import platform
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

import ops_orchestrator
from ops_contract import CONTRACT_VERSION, ArtifactRef, Evidence, fingerprint

# They say how a run is found, how long it may take and when it is refused, not what it finds.
_WITHOUT_EFFECT: Final = ("labels", "deadline_s", "pin")


def versions(image_digest: str | None) -> dict[str, str | None]:
    """What executes the run: orchestrator, contract, Python, and the orchestrator's image where known."""
    return {
        "orchestrator": ops_orchestrator.__version__,
        "contract": CONTRACT_VERSION,
        "python": platform.python_version(),
        "image_digest": image_digest,
    }


class Answer(Protocol):
    """The part of a module's answer that its fingerprint is made of, besides its artifacts."""

    @property
    def outputs(self) -> dict[str, Any]:
        """What the module found."""
        ...

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What that rests on."""
        ...


def step_fingerprint(answer: Answer, artifacts: Iterable[ArtifactRef]) -> str:
    """SHA-256 over what a step found: outputs, evidence less `observed_at`, artifact hashes by name.

    Raises ops_contract.NumberError, with a pointer, for numbers that canonical JSON cannot carry.
    """
    return fingerprint(
        {
            "outputs": answer.outputs,
            "evidence": [lasting_evidence(item) for item in answer.evidence],
            "artifacts": {artifact.name: artifact.sha256 for artifact in artifacts},
        }
    )


def result_fingerprint(steps: Mapping[str, str]) -> str:
    """SHA-256 over the fingerprints of all steps, by step id."""
    return fingerprint(dict(steps))


def recipe_fingerprint(request: Mapping[str, Any], plan: list[dict[str, Any]], modules: Mapping[str, Any]) -> str:
    """SHA-256 over what a result is made from: plan, inputs and options, and by step id each module's version and image.

    Labels, the deadline and pins are not part of it: what the modules are is.
    """
    options = {name: value for name, value in request["run_options"].items() if name not in _WITHOUT_EFFECT}
    return fingerprint({"plan": plan, "inputs": request["inputs"], "options": options, "modules": dict(modules)})


def manifest(hashes: Mapping[str, str]) -> str:
    """The text of manifest-sha256.txt, which `sha256sum -c` reads: one line a file, by path."""
    return "".join(f"{sha256}  {path}\n" for path, sha256 in sorted(hashes.items()))


def lasting_evidence(evidence: Evidence) -> dict[str, Any]:
    """What of a piece of evidence counts for a fingerprint: all that is given, less `observed_at`."""
    return {name: value for name, value in vars(evidence).items() if name != "observed_at" and value is not None}
