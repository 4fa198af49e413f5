"""examples/adapters with the stubs and the legacy service in one process; every line of its mappings is shown to matter."""

import copy
import json
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from local_service import MODULES, ROOT
from module_transport import Httpx2Transport

from ops_contract import sha256_hex
from ops_orchestrator.modules.adapters.poll_mapping import WAITS
from ops_orchestrator.service.app import create_app
from ops_orchestrator.settings import Settings
from ops_stubs.app import create_all

pytestmark = pytest.mark.slow

EXAMPLES = ROOT / "examples" / "adapters"
DECLARED = yaml.safe_load((EXAMPLES / "modules.yaml").read_text())
SCENARIO = json.loads((EXAMPLES / "scenario.json").read_bytes())
ADAPTED = [name for name, entry in DECLARED["modules"].items() if "adapter" in entry]

# Inputs with which a module fails, to see how its mapping words that.
FAILING = {
    "dr-anticorruption": {"institution": "ENT-999"},
    "indicators": {"indicator": "happiness"},
    "simulation": {"country": "ZZ"},
}

# The earlier steps that a module's mapping looks at; the archive takes whatever there is.
REPORTED = ("forecast", "policy-simulator", "supplychain-risk")
EARLIER = {
    "report": REPORTED,
    "archive": ("forecast",),
    "review": (*REPORTED, "report"),
    "decision": ("assessment",),
}

FIELD = re.compile(
    r"(?:(?:response|submitted)\.body|inputs|raw|outputs|item|\$step|brief|model|report|policy_parameters)\.(\w+)"
)

Place = tuple[str | int, ...]


@asynccontextmanager
async def orchestrator(
    folder: Path, declared: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx2.AsyncClient]:
    """The orchestrator with these modules, and all stubs behind it."""
    for name in MODULES:
        monkeypatch.setenv(f"{name.upper().replace('-', '_')}_URL", f"http://stubs/{name}")
    monkeypatch.setenv("LEGACY_URL", "http://stubs/legacy")
    monkeypatch.setenv("OPS_SHARED_DIR", str(folder / "volume"))
    monkeypatch.setenv("OPS_READY_TIMEOUT_S", "0")
    (folder / "modules.yaml").write_text(yaml.safe_dump(declared))
    settings = Settings(modules_file=folder / "modules.yaml", runs_dir=folder / "runs", _env_file=None)
    app = create_app(settings, Httpx2Transport(httpx2.ASGITransport(create_all(shared_dir=folder / "volume"))))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ops.localhost") as client,
    ):
        yield client


async def test_example_runs_with_every_shape_of_module_and_leaves_a_complete_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with orchestrator(tmp_path, DECLARED, monkeypatch) as service:
        answer = (await service.post("/plan_and_execute", json=SCENARIO)).json()
    assert answer["status"] == "completed", answer
    folder = tmp_path / "runs" / answer["run_id"]
    results = json.loads((folder / "results.json").read_bytes())["steps"]
    # 1: an endpoint of its own, renamed fields, text as a file, evidence from an object and from strings
    assert results["policy-simulator"]["outputs"]["kpis"]["gdp_growth"] == pytest.approx(4.3386)
    assert (folder / "artifacts/policy-simulator/brief.md").read_text().startswith("# Dominican Republic: payroll")
    assert results["policy-simulator"]["evidence"][0]["title"] == "policy simulator, synthetic figures"
    assert results["supplychain-risk"]["evidence"][0]["title"] == "synthetic exposure table"
    assert len(results["dr-anticorruption"]["outputs"]["entities"]) == 3
    # 2: no health check
    assert len(results["forecast"]["outputs"]["growth_percent"]) == 5
    # 3: GET with a query, twice, with inputs of its own
    assert results["growth"]["outputs"]["series"][-1] == {"year": 2025, "value": 4.5}
    assert results["inflation"]["outputs"]["indicator"] == "inflation"
    # 4: a PDF
    assert (folder / "artifacts/report/policy-report.pdf").read_bytes().startswith(b"%PDF-")
    # 6: a job, evidence with the module's own names, and a file at an address
    assert [row["year"] for row in results["simulation"]["outputs"]["growth_percent"]] == [2026, 2027, 2028, 2029, 2030]
    survey, model = results["simulation"]["evidence"]
    assert (survey["id"], survey["kind"], survey["details"]) == ("S-1", "survey", {"sample": 400})
    assert (model["title"], model["uri"]) == ("Synthetic trend model", "https://example.org/trend")
    assert (folder / "artifacts/simulation/paths.csv").read_text().startswith("year,low,median,high\n2026,")
    assert json.loads((folder / "steps/5-simulation/job.json").read_bytes())["asks"] == 3
    # 5: files from a shared volume
    written = tmp_path / "volume/archive/summary.json"
    assert (folder / "artifacts/archive/summary.json").read_bytes() == written.read_bytes()
    assert (folder / "artifacts/archive/index.txt").is_file()
    # 7: a form, 8: an upload of the PDF, 9: what is needed by role, from two assessments in one plan
    assert set(results["assessment"]["outputs"]["points"]) == {"tourism", "energy"}
    report = (folder / "artifacts/report/policy-report.pdf").read_bytes()
    assert results["review"]["outputs"]["sha256"] == sha256_hex(report)
    for decision, assessment in (("decision", "assessment"), ("decision-on-trade", "assessment-of-trade")):
        assert f"{results[assessment]['outputs']['total']:g} of 100" in results[decision]["outputs"]["because"]
    for stored in (artifact for step in results.values() for artifact in step["artifacts"]):
        assert sha256_hex((folder / stored["path"]).read_bytes()) == stored["sha256"]
    for number, name in enumerate(results, start=1):
        kept = {path.name for path in (folder / "steps" / f"{number}-{name}").iterdir()}
        assert ("mapped-request.json" in kept) == (name != "data-layer")


async def test_example_gives_the_same_result_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprints = []
    async with orchestrator(tmp_path, DECLARED, monkeypatch) as service:
        for _ in range(2):
            run_id = (await service.post("/plan_and_execute", json=SCENARIO)).json()["run_id"]
            fingerprints.append((await service.get(f"/runs/{run_id}")).json()["fingerprints"])
    assert fingerprints[0] == fingerprints[1]
    assert None not in fingerprints[0].values()


async def test_example_is_reproduced_offline_with_every_shape_of_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with orchestrator(tmp_path, DECLARED, monkeypatch) as service:
        run_id = (await service.post("/plan_and_execute", json=SCENARIO)).json()["run_id"]
        shutil.rmtree(tmp_path / "volume")
        answer = (await service.post(f"/runs/{run_id}/reproduce", json={"offline": True})).json()
        fingerprints = [(await service.get(f"/runs/{each}")).json()["fingerprints"] for each in (run_id, answer["run_id"])]
    assert answer["reproduction"]["grade"] == "identical", answer
    assert fingerprints[0] == fingerprints[1]


def slips() -> list[Any]:
    """Every slip that `wrong` makes of every value in the example's adapters that says how something is mapped."""
    found = []
    for name in ADAPTED:
        adapter = DECLARED["modules"][name]["adapter"]
        for place in leaves(adapter):
            # A job that is never cancelled has no use for the request that does, and a digest that is not found is not checked.
            left_out = {"timeout_s", "retries", "base", "needs", "cancel", "sha256", *WAITS}
            if not left_out & set(place) and place != ("health",):
                for number, value in enumerate(wrong(at(adapter, place)), start=1):
                    found.append(pytest.param(name, place, value, id=f"{name}:{'.'.join(map(str, place))}:{number}"))
    return found


def leaves(value: Any, place: Place = ()) -> Iterator[Place]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(item, dict | list) and item:
            yield from leaves(item, (*place, key))
        else:
            yield (*place, key)


def at(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value


def wrong(value: Any) -> list[Any]:
    """Likely slips in a value: another field, another path, another root, another method."""
    if value in ("GET", "binary"):
        return [{"GET": "POST", "binary": "json"}[value]]
    if not isinstance(value, str):
        return [value + 1] if value else [{"name": '"x"', "text": '"x"'}]
    if value.startswith(("/", "${OPS_SHARED_DIR")):
        return [f"{value}x"]
    fields = list(FIELD.finditer(value))
    return [f"{value[: field.start(1)]}x_{value[field.start(1) :]}" for field in fields] or [value.replace("brief", "letter")]


def alone(name: str, declared: dict[str, Any]) -> dict[str, Any]:
    """`declared` with the module `name` and those that its mapping looks at: reading the others takes most of the time."""
    needed = (*EARLIER.get(name, ()), name)
    return {**declared, "modules": {each: entry for each, entry in declared["modules"].items() if each in needed}}


async def seen(service: httpx2.AsyncClient, name: str, folder: Path) -> list[Any]:
    """What can be seen of the module `name` in a run of its steps, and in one that makes it fail."""
    found: list[Any] = []
    needed = (*EARLIER.get(name, ()), name)
    for inputs in ({}, FAILING[name]) if name in FAILING else ({},):
        steps = [{**(step if isinstance(step, dict) else {"module": step})} for step in SCENARIO["modules"]]
        steps = [step for step in steps if step["module"] in needed]
        for step in steps:
            if step["module"] == name:
                step["inputs"] = {**step.get("inputs", {}), **inputs}
        answer = (await service.post("/plan_and_execute", json={**SCENARIO, "modules": steps})).json()
        run = folder / "runs" / answer["run_id"]
        requests = [path.read_text() for path in sorted(run.glob("steps/*/mapped-request.json"))]
        results = json.loads((run / "results.json").read_bytes())["steps"]
        versions = [step["module_version"] for step in json.loads((run / "run.json").read_bytes())["steps"]]
        text = json.dumps([answer["status"], answer.get("error"), requests, results, versions])
        found.append(text.replace(answer["run_id"], "RUN"))
    return found


@pytest.fixture(scope="module")
def as_shipped() -> dict[str, list[Any]]:
    """What is seen of each module with the example as it is, filled in when first asked for."""
    return {}


@pytest.mark.parametrize(("name", "place", "slip"), slips())
async def test_slip_in_a_mapping_shows(  # noqa: PLR0917  # fixtures
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_shipped: dict[str, list[Any]], name: str, place: Place, slip: Any
) -> None:
    if name not in as_shipped:
        async with orchestrator(tmp_path, alone(name, DECLARED), monkeypatch) as service:
            as_shipped[name] = [text.replace(str(tmp_path), "TMP") for text in await seen(service, name, tmp_path)]
    declared = copy.deepcopy(alone(name, DECLARED))
    # A slip may keep the job from being found done.
    if name == "simulation":
        declared["modules"][name]["adapter"]["actions"]["simulate"]["poll"]["timeout_s"] = 5
    at(declared["modules"][name]["adapter"], place[:-1])[place[-1]] = slip
    async with orchestrator(tmp_path, declared, monkeypatch) as service:
        assert [text.replace(str(tmp_path), "TMP") for text in await seen(service, name, tmp_path)] != as_shipped[name]
