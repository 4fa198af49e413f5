"""What a crate says of a run. Whether it is a valid one is tested beside, with the validator of the profiles."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
import recorded_run
from crate_contexts import TERMS
from scripted_module import Gate, ScriptedModule, StartService, artifact, error_envelope, success

from ops_contract import sha256_hex
from ops_orchestrator.errors import ConflictError
from ops_orchestrator.runs.reports.ro_crate import ro_crate
from ops_orchestrator.runs.store.folder_run import FolderRun

Graph = dict[str, dict[str, Any]]


def crate_of(folder: Path) -> bytes:
    return ro_crate(FolderRun(folder.parent, folder.name))


def graph_of(folder: Path) -> Graph:
    """The entities of the crate by identifier."""
    entities = json.loads(crate_of(folder))["@graph"]
    graph = {entity["@id"]: entity for entity in entities}
    assert len(graph) == len(entities)
    return graph


async def run_with(start_service: StartService, home: Path, *modules: ScriptedModule, **fields: Any) -> Path:
    """The folder of a run over scripted modules."""
    scenario = {"scenario_id": "demo", "modules": [module.name for module in modules], **fields}
    async with start_service(*modules, options={"retries": 0, "ready_timeout_s": 600}) as service:
        answer = (await service.post("/plan_and_execute", json=scenario)).json()
    return home / "runs" / str(answer["run_id"])


def test_crate_is_made_of_the_folder_alone(example_run: Path, tmp_path: Path) -> None:
    copy = recorded_run.copy(example_run, tmp_path)
    crate = crate_of(example_run)
    for name in ("ro-crate-metadata.json", "report.html", "import-damage.txt"):
        (copy / name).write_bytes(crate)
    assert crate_of(copy) == crate
    assert str(example_run.parent) not in crate.decode()


def test_crate_names_every_file_with_its_size_and_hash(example_run: Path) -> None:
    graph = graph_of(example_run)
    parts = {part["@id"] for part in graph["./"]["hasPart"]}
    files = {str(path.relative_to(example_run)): path.read_bytes() for path in example_run.rglob("*") if path.is_file()}
    assert parts == set(files)
    for name, content in files.items():
        assert (graph[name]["contentSize"], graph[name]["sha256"]) == (str(len(content)), sha256_hex(content))
    assert graph["artifacts/policy-simulator/plot.png"]["encodingFormat"] == "image/png"


def test_crate_says_what_was_run_with_what_and_what_came_of_it(example_run: Path) -> None:
    graph = graph_of(example_run)
    record = recorded_run.document(example_run)
    kpis = recorded_run.document(example_run, "results.json")["results"]["policy-simulator"]["kpis"]
    figure = graph["#outputs%20of%20policy-simulator/%2Fkpis%2Fgdp_growth"]
    assert graph["#inputs/%2Fpolicy_parameters%2Fvat_rate"]["value"] == 0.18
    assert figure["value"] == kpis["gdp_growth"]
    assert graph["#identifiers/recipe%20fingerprint"]["value"] == record["fingerprints"]["recipe"]
    assert [graph[graph[call]["instrument"]["@id"]]["name"] for call in ("#calls/1", "#calls/2")] == [
        "policy-simulator",
        "strategy-agent",
    ]
    assert {"@id": "artifacts/strategy-agent/brief.md"} in graph["#calls/2"]["result"]
    assert graph["#run"]["actionStatus"] == "http://schema.org/CompletedActionStatus"
    assert "synthetic" in graph["./"]["description"]


def test_crate_has_no_reference_to_nothing(example_run: Path) -> None:
    graph = graph_of(example_run)
    references = {
        item["@id"]
        for entity in graph.values()
        for value in entity.values()
        for item in (value if isinstance(value, list) else [value])
        if isinstance(item, dict)
    }
    assert {reference for reference in references - set(graph) if not reference.startswith("https://")} == set()


def test_crate_uses_terms_that_its_contexts_define(example_run: Path) -> None:
    graph = graph_of(example_run)
    types = {
        name
        for entity in graph.values()
        for name in ([entity["@type"]] if isinstance(entity["@type"], str) else entity["@type"])
    }
    assert types | {key for entity in graph.values() for key in entity} - {"@id", "@type"} <= set(TERMS)


async def test_crate_of_a_failed_run_says_why_and_what_was_not_begun(start_service: StartService, tmp_path: Path) -> None:
    alpha = ScriptedModule(answers=[httpx2.Response(422, json=error_envelope(message="no such country"))])
    graph = graph_of(await run_with(start_service, tmp_path, alpha, ScriptedModule("beta")))
    failed, pending = graph["#calls/1"], graph["#calls/2"]
    assert "no such country" in failed["error"]
    assert failed["actionStatus"] == graph["#run"]["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert {"@id": "logs.jsonl"} in failed["result"]
    assert pending["actionStatus"] == "http://schema.org/PotentialActionStatus"
    assert "startTime" not in pending


async def test_crate_is_refused_while_the_run_goes_on(start_service: StartService, tmp_path: Path) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate])) as service:
        asked = {"scenario_id": "demo", "modules": ["alpha"]}
        answer = await service.post("/plan_and_execute", json=asked, headers={"Prefer": "respond-async"})
        await gate.asked.wait()
        with pytest.raises(ConflictError, match="running"):
            await asyncio.to_thread(crate_of, tmp_path / "runs" / answer.json()["run_id"])


async def test_crate_keeps_odd_names_and_values_from_being_read_as_something_else(
    start_service: StartService, tmp_path: Path
) -> None:
    odd = "50% of #1?.txt"
    module = ScriptedModule(answers=[success(artifacts=[artifact(odd, media_type="text/plain; charset=utf-8")])])
    inputs = {"place": {"@id": "./"}, "a/b": ["x"], "long": "x" * 5000}
    graph = graph_of(await run_with(start_service, tmp_path, module, inputs=inputs))
    assert graph["artifacts/alpha/50%25%20of%20%231%3F.txt"]["encodingFormat"] == "text/plain;charset=utf-8"
    assert graph["#inputs/%2Fplace%2F%40id"]["value"] == "./"
    assert graph["#inputs/%2Fa~1b"]["value"] == '["x"]'
    assert len(graph["#inputs/%2Flong"]["value"]) == 1000


async def test_crate_cites_evidence_that_is_on_the_web_and_nothing_else(start_service: StartService, tmp_path: Path) -> None:
    uris = [
        "https://example.org/data?x=1",
        "https://example.org/data?x=1",
        "https://a b",
        "javascript:alert(1)",
        "./",
        "https://",
    ]
    evidence = [{"id": str(number), "kind": "dataset", "title": "Data", "uri": uri} for number, uri in enumerate(uris)]
    graph = graph_of(await run_with(start_service, tmp_path, ScriptedModule(answers=[success(evidence=evidence)])))
    assert graph["./"]["citation"] == {"@id": "https://example.org/data?x=1"}
    assert graph["https://example.org/data?x=1"]["name"] == "Data"
