"""A run as a Provenance Run Crate: ro-crate-metadata.json, which says of each file what it is and how it was made.

RO-Crate 1.1 with the profiles Process, Workflow and Provenance Run Crate 0.5 (https://w3id.org/ro/wfrun/provenance/0.5).
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from ops_orchestrator.runs.citation import is_synthetic
from ops_orchestrator.runs.json_text import json_document
from ops_orchestrator.runs.record import METADATA, RECORD, Results, RunRecord
from ops_orchestrator.runs.reports.crate_actions import OPERATOR, ORCHESTRATOR, RUN, Outline, actions, call_id
from ops_orchestrator.runs.reports.crate_files import CrateFiles
from ops_orchestrator.runs.reports.crate_plan import NOT_RECORDED, CrateModules, workflow, workflow_parts
from ops_orchestrator.runs.reports.ended_run import ended_record
from ops_orchestrator.runs.reports.entities import Entity, crate_time, entity, file_id, local_id, ref, refs, web_id
from ops_orchestrator.runs.reports.parameters import Parameter, figure_parameters, file_parameter, input_parameters
from ops_orchestrator.runs.store.protocols import StoredRun

_CONTEXT: Final = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
_RO_CRATE: Final = "https://w3id.org/ro/crate/1.1"
_WORKFLOW_CRATE: Final = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
_PROFILES: Final = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    _WORKFLOW_CRATE: ("Workflow RO-Crate", "1.0"),
}
_LICENCE: Final = "#licence"
_MOST_CITATIONS: Final = 200


def ro_crate(run: StoredRun) -> bytes:
    """ro-crate-metadata.json of `run`, to be put into its folder. The same folder gives the same bytes.

    A run does not record who had it executed, nor a licence; the crate says so. Raises ConflictError for a run that is not
    over, NotFoundError, StoreError.
    """
    record = ended_record(run, "a crate")
    return json_document({"@context": _CONTEXT, "@graph": _graph(run, record, run.results())})


def _graph(run: StoredRun, record: RunRecord, results: Results) -> list[Entity]:
    files = CrateFiles.of(run, results)
    modules = CrateModules.of(run, record)
    inputs = input_parameters(record)
    outputs = figure_parameters(results) + _file_parameters(results, files)
    outline = Outline(
        plan=file_id(RECORD),
        inputs=[each.value_id for each in inputs],
        outputs=[each.value_id for each in outputs],
        modules=modules.by_step,
    )
    identifiers, citations = _identifiers(record), _citations(results)
    return _distinct(
        [
            _descriptor(),
            _root(record, results, files, identifiers, citations),
            *_files(files, outputs, workflow(record, inputs, outputs, modules.by_step)),
            *_surroundings(record),
            *identifiers,
            *workflow_parts(record, modules),
            *actions(record, results, files, outline),
            *(part for each in (*inputs, *outputs) for part in each.entities),
            *citations,
        ]
    )


def _distinct(entities: Iterable[Entity]) -> list[Entity]:
    """Of entities with one identifier the first: a module may cite what the crate names already."""
    found: dict[str, Entity] = {}
    for each in entities:
        found.setdefault(str(each["@id"]), each)
    return list(found.values())


def _descriptor() -> Entity:
    conforms_to = refs([_RO_CRATE, _WORKFLOW_CRATE])
    return entity(METADATA, "CreativeWork", {"conformsTo": conforms_to, "about": ref("./")})


def _root(record: RunRecord, results: Results, files: CrateFiles, identifiers: list[Entity], citations: list[Entity]) -> Entity:
    return entity(
        "./",
        "Dataset",
        {
            "name": f"Run of {record.scenario_id}: {record.run_id}",
            "description": _description(record, results),
            "datePublished": crate_time(record.finished_at or record.started_at),
            "conformsTo": refs(_PROFILES),
            "license": ref(_LICENCE),
            "author": ref(OPERATOR),
            "publisher": ref(OPERATOR),
            "identifier": refs(str(each["@id"]) for each in identifiers),
            "keywords": [f"{key}={value}" for key, value in sorted(record.labels.items())],
            "mainEntity": ref(file_id(RECORD)),
            "hasPart": refs(files.ids),
            "mentions": refs([RUN, *map(call_id, record.steps)]),
            "citation": refs(str(each["@id"]) for each in citations),
        },
    )


def _description(record: RunRecord, results: Results) -> str:
    completed = sum(step.status == "completed" for step in record.steps)
    sentences = [f"{completed} of {len(record.steps)} steps are completed; the run is {record.status}."]
    if record.error:
        sentences.append(f"Its error: {record.error['message']}")
    if is_synthetic(record, results):
        sentences.append("Its figures are synthetic, at least in part: a module made them up.")
    if record.reproduces:
        sentences.append(f"It was started to reproduce {record.reproduces}.")
    if record.sweep:
        sentences.append(f"It belongs to the sweep {record.sweep}.")
    return " ".join(sentences)


def _files(files: CrateFiles, outputs: Iterable[Parameter], plan: Entity) -> list[Entity]:
    """The files of the run; run.json is its plan as well."""
    examples = {each.value_id: {"exampleOfWork": ref(each.formal_id)} for each in outputs if each.value is None}
    known = {str(plan["@id"]): plan}
    return [
        each | known.get(id_, {}) | examples.get(id_, {}) for each in files.entities.values() for id_ in (str(each["@id"]),)
    ]


def _file_parameters(results: Results, files: CrateFiles) -> list[Parameter]:
    return [
        file_parameter(f"{artifact.name} of {step}", id_)
        for step, found in results.steps.items()
        for artifact in found.artifacts
        if artifact.path is not None
        for id_ in files.present(artifact.path)
    ]


def _identifiers(record: RunRecord) -> list[Entity]:
    values: dict[str, Any] = {
        "run id": record.run_id,
        "recipe fingerprint": record.fingerprints.recipe,
        "result fingerprint": record.fingerprints.result,
    }
    return [
        entity(
            local_id("identifiers", name), "PropertyValue", {"name": name, "propertyID": name.replace(" ", "_"), "value": value}
        )
        for name, value in values.items()
        if value is not None
    ]


def _citations(results: Results) -> list[Entity]:
    """The evidence that can be looked up on the web."""
    found = {
        uri: entity(uri, "CreativeWork", {"name": item.title, "additionalType": item.kind})
        for step in results.steps.values()
        for item in step.evidence
        if (uri := web_id(item.uri))
    }
    return list(islice(found.values(), _MOST_CITATIONS))


def _surroundings(record: RunRecord) -> list[Entity]:
    """Who, with what, under which terms and profiles."""
    versions = record.versions
    orchestrator = {
        "name": "OpenPolicyStack orchestrator",
        "description": f"Contract {versions.get('contract') or NOT_RECORDED}, Python {versions.get('python') or NOT_RECORDED}.",
        "softwareVersion": versions.get("orchestrator") or NOT_RECORDED,
        "url": ref(file_id(RECORD)),  # the profile wants one, and this is where the run names it
    }
    operator = {
        "name": "Operator of the orchestrator (not recorded)",
        "description": "A run does not record who had it executed. Put the person or organization here before publication.",
        "url": ref(file_id(RECORD)),
    }
    licence = {
        "name": "Licence not stated",
        "description": "A run does not record a licence. Ask its operator before you use it, or put the licence here.",
    }
    return [
        entity(ORCHESTRATOR, "SoftwareApplication", orchestrator),
        entity(OPERATOR, "Organization", operator),
        entity(_LICENCE, "CreativeWork", licence),
        *(entity(id_, "CreativeWork", {"name": name, "version": version}) for id_, (name, version) in _PROFILES.items()),
    ]
