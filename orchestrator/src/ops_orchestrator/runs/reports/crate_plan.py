"""The plan of a run as the workflow of an RO-Crate: its steps, and the modules that they call."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from ops_contract import NumberError, fingerprint
from ops_orchestrator.runs.record import RECORD, RunRecord, StepRecord
from ops_orchestrator.runs.registered_modules import address_of, registered_modules
from ops_orchestrator.runs.reports.crate_actions import step_id
from ops_orchestrator.runs.reports.entities import Entity, entity, file_id, local_id, ref, refs
from ops_orchestrator.runs.reports.parameters import Parameter
from ops_orchestrator.runs.store.protocols import StoredRun

NOT_RECORDED: Final = "not recorded"
"""In the place of a version that is not known."""

_PROFILE: Final = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
_LANGUAGE: Final = "#plan-language"


@dataclass(frozen=True)
class CrateModules:
    """The modules that the steps of a run call, each in one version, and by step the identifier of its module."""

    entities: list[Entity]
    by_step: list[str]

    @classmethod
    def of(cls, run: StoredRun, record: RunRecord) -> Self:
        """Describe the modules of `run`."""
        registered = registered_modules(run)
        found: dict[tuple[str | None, ...], str] = {}
        entities: list[Entity] = []
        by_step = []
        for step in record.steps:
            made_with = (step.module, step.module_version, step.image_digest, step.adapter)
            if made_with not in found:
                found[made_with] = local_id("modules", str(len(found) + 1))
                entities += _module(found[made_with], step, address_of(registered.get(step.module)))
            by_step.append(found[made_with])
        return cls(entities, by_step)


def workflow(record: RunRecord, inputs: Sequence[Parameter], outputs: Sequence[Parameter], modules: Iterable[str]) -> Entity:
    """The plan, which is in run.json: what the entity of that file is besides a file."""
    return entity(
        file_id(RECORD),
        ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        {
            "name": f"Plan of {record.scenario_id}, in the record of its run",
            "description": f"{RECORD} has the plan under `plan`, the scenario under `request`, and what happened.",
            "conformsTo": ref(_PROFILE),
            "programmingLanguage": ref(_LANGUAGE),
            "version": _plan_version(record),
            "url": ref(file_id(RECORD)),
            "input": refs(each.formal_id for each in inputs),
            "output": refs(each.formal_id for each in outputs),
            "hasPart": refs(dict.fromkeys(modules)),
            "step": refs(map(step_id, record.steps)),
        },
    )


def workflow_parts(record: RunRecord, modules: CrateModules) -> list[Entity]:
    """What the plan refers to: its language, its steps, their modules."""
    language = {"name": "Plan of the OpenPolicyStack orchestrator", "version": str(record.format)}
    steps = [
        entity(
            step_id(step),
            "HowToStep",
            {
                "name": f"Step {step.step}: {step.id}",
                "description": f"Ask {step.module} to {step.action}.",
                "position": str(step.step),
                "workExample": ref(module),
            },
        )
        for step, module in zip(record.steps, modules.by_step, strict=True)
    ]
    return [entity(_LANGUAGE, "ComputerLanguage", language), *steps, *modules.entities]


def _module(id_: str, step: StepRecord, address: str | None) -> list[Entity]:
    image_id = f"{id_}/image"
    image = {"name": "Digest of the image", "propertyID": "image_digest", "value": step.image_digest}
    adapter = f", called through an adapter with the SHA-256 {step.adapter}" if step.adapter else ""
    described = {
        "name": step.module,
        "description": f"A module of the run{adapter}.",
        "softwareVersion": step.module_version or NOT_RECORDED,
        "url": address or (step.exchange.url if step.exchange else None),
        "identifier": ref(image_id) if step.image_digest else None,
    }
    images = [entity(image_id, "PropertyValue", image)] if step.image_digest else []
    return [entity(id_, "SoftwareApplication", described), *images]


def _plan_version(record: RunRecord) -> str:
    """A plan has no version but its content."""
    try:
        return fingerprint(record.plan)
    except NumberError:
        return NOT_RECORDED
