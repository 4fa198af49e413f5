"""The inputs and key figures of a run as parameters of its plan, each with the value that it had. For an RO-Crate."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from ops_contract import join_pointer
from ops_orchestrator.runs.figures import figure_values
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.reports.entities import Entity, entity, local_id, plain_value, ref
from ops_orchestrator.runs.reports.object_leaves import object_leaves

MOST_PARAMETERS: Final = 200
"""A crate names so many inputs, and so many key figures of a step; run.json and results.json have all of them."""

_PARAMETER_PROFILE: Final = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"


@dataclass(frozen=True)
class Parameter:
    """A parameter of the plan and the entity that it stands for: a value, or a file that is described elsewhere."""

    formal: Entity
    value_id: str
    value: Entity | None = None

    @property
    def formal_id(self) -> str:
        """The identifier of the parameter."""
        return str(self.formal["@id"])

    @property
    def entities(self) -> list[Entity]:
        """What the crate has to hold of it."""
        return [self.formal] if self.value is None else [self.formal, self.value]


def input_parameters(record: RunRecord) -> list[Parameter]:
    """The inputs of the scenario by pointer, and the seed; at most `MOST_PARAMETERS` inputs."""
    seed = record.request["run_options"].get("seed")
    seeds = [] if seed is None else [_valued("options", "/seed", "seed", seed)]
    leaves = islice(object_leaves(record.request["inputs"]), MOST_PARAMETERS)
    return seeds + [_valued("inputs", pointer, pointer.removeprefix("/"), value) for pointer, value in leaves]


def figure_parameters(results: Results) -> list[Parameter]:
    """The key figures of each step, at most `MOST_PARAMETERS` of one (OPS-FIG-001)."""
    return [
        _valued(
            f"outputs of {step}",
            join_pointer("/kpis", figure.key),
            figure.label.strip() or figure.key,
            figure.value,
            {"propertyID": join_pointer(f"/results/{step}/kpis", figure.key), "unitText": figure.unit.strip() or None},
        )
        for step, found in results.steps.items()
        for figure in islice(figure_values(found.outputs), MOST_PARAMETERS)
    ]


def file_parameter(name: str, id_: str) -> Parameter:
    """The file `id_` as an output of the plan, called `name`."""
    formal_id = local_id("parameters", "files", name)
    return Parameter(_formal(formal_id, name, "File", id_), id_)


def _valued(group: str, pointer: str, name: str, value: Any, more: Mapping[str, Any] | None = None) -> Parameter:
    kind, plain = plain_value(value)
    formal_id, value_id = local_id("parameters", group, pointer), local_id(group, pointer)
    held = {"name": name, "value": plain, **(more or {}), "exampleOfWork": ref(formal_id)}
    return Parameter(_formal(formal_id, name, kind, value_id), value_id, entity(value_id, "PropertyValue", held))


def _formal(id_: str, name: str, kind: str, value_id: str) -> Entity:
    return entity(
        id_,
        "FormalParameter",
        {"additionalType": kind, "name": name, "conformsTo": ref(_PARAMETER_PROFILE), "workExample": ref(value_id)},
    )
