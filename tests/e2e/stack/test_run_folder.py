import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from compose_stack import Stack
from local_service import ROOT
from PIL import Image

from ops_contract import sha256_hex


@pytest.fixture(scope="module")
def answer(stack: Stack, example: bytes) -> dict[str, Any]:
    response = stack.post(example)
    assert response.status_code == 200, response.text
    return dict(response.json())


@pytest.fixture(scope="module")
def folder(stack: Stack, answer: dict[str, Any]) -> Path:
    return stack.runs / str(answer["run_id"])


def document(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_bytes())


def test_answer_is_as_the_seed_shows_it(answer: dict[str, Any]) -> None:
    assert answer["status"] == "completed"
    assert answer["plan"] == [
        {"step": 1, "module": "policy-simulator", "action": "execute"},
        {"step": 2, "module": "strategy-agent", "action": "execute"},
    ]
    assert answer["results"]["policy-simulator"]["artifacts"] == ["kpis.json", "plot.png"]
    assert isinstance(answer["results"]["policy-simulator"]["kpis"]["gdp_growth"], float)
    assert answer["results"]["strategy-agent"]["brief"] == "brief.md"
    assert answer["results"]["strategy-agent"]["artifacts"] == ["brief.md"]
    assert answer["artifacts_path"] == f"runs/{answer['run_id']}/"
    assert answer["logs_path"] == f"runs/{answer['run_id']}/logs.jsonl"


def test_sha256sum_agrees_with_the_manifest_of_every_file(folder: Path) -> None:
    words = ["sha256sum", "--check", "manifest-sha256.txt"]
    checked = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert checked.returncode == 0, checked.stdout
    assert {line.removesuffix(": OK") for line in checked.stdout.splitlines()} == there - {"manifest-sha256.txt"}


def test_documents_of_the_run_agree_with_each_other_and_with_the_answer(
    folder: Path, answer: dict[str, Any], example: bytes
) -> None:
    record, results = document(folder, "run.json"), document(folder, "results.json")
    assert record["request"] == json.loads(example)
    assert (record["run_id"], record["plan"]) == (answer["run_id"], answer["plan"])
    assert results["results"] == answer["results"]
    assert [step["status"] for step in record["steps"]] == ["completed", "completed"]
    for step in record["steps"]:
        kept = folder / "steps" / f"{step['step']}-{step['id']}"
        assert sha256_hex((kept / "request.json").read_bytes()) == step["exchange"]["request_sha256"]
        assert sha256_hex((kept / "response.json").read_bytes()) == step["exchange"]["response_sha256"]


def test_artifacts_on_disk_are_what_the_results_say(folder: Path) -> None:
    for step in document(folder, "results.json")["steps"].values():
        for artifact in step["artifacts"]:
            content = (folder / artifact["path"]).read_bytes()
            assert (len(content), sha256_hex(content)) == (artifact["size_bytes"], artifact["sha256"])


def test_log_tells_the_whole_run(folder: Path, answer: dict[str, Any]) -> None:
    lines = [json.loads(line) for line in (folder / "logs.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == [
        "run.queued",
        "run.started",
        *["step.started", "module.ready", "step.completed"] * 2,
        "run.ended",
    ]
    assert {line["run_id"] for line in lines} == {answer["run_id"]}


def test_plot_is_a_picture_of_a_readable_size(folder: Path) -> None:
    with Image.open(io.BytesIO((folder / "artifacts/policy-simulator/plot.png").read_bytes())) as picture:
        assert picture.format == "PNG"
        assert picture.width >= 800
        assert picture.height >= 500
        assert len(picture.convert("RGB").getcolors(maxcolors=2**24) or []) > 50


def test_brief_cites_the_simulator_s_figure(folder: Path, answer: dict[str, Any]) -> None:
    growth = answer["results"]["policy-simulator"]["kpis"]["gdp_growth"]
    brief = (folder / "artifacts/strategy-agent/brief.md").read_text()
    assert f"GDP growth {growth:.1%}".replace("%", " %") in brief


def test_files_belong_to_the_owner_of_the_runs_folder(stack: Stack, folder: Path) -> None:
    owner = stack.runs.stat().st_uid
    assert {Path(where, name).stat().st_uid for where, folders, files in os.walk(folder) for name in (*folders, *files)} == {
        owner
    }
    assert owner != 0 or os.getuid() != 0


def run(stack: Stack, example: bytes, **options: Any) -> dict[str, Any]:
    """The record of a run of the example with other options."""
    scenario = {**json.loads(example), "run_options": options}
    run_id = stack.post(json.dumps(scenario).encode()).json()["run_id"]
    return dict(document(stack.runs / run_id, "run.json"))


def test_same_seed_gives_the_same_result_fingerprint(stack: Stack, example: bytes, folder: Path) -> None:
    again = run(stack, example, seed=42, save_artifacts=True)
    assert again["fingerprints"] == document(folder, "run.json")["fingerprints"]


def test_another_seed_gives_another_result_fingerprint(stack: Stack, example: bytes, folder: Path) -> None:
    other = run(stack, example, seed=43, save_artifacts=True)
    first = document(folder, "run.json")
    assert other["fingerprints"]["result"] != first["fingerprints"]["result"]
    assert other["fingerprints"]["recipe"] != first["fingerprints"]["recipe"]


@pytest.mark.parametrize("name", ["baseline", "vat-raised", "vat-lowered", "other-country", "all-modules"])
def test_shipped_scenario_completes(stack: Stack, name: str) -> None:
    scenario = (ROOT / "examples" / f"{name}.json").read_bytes()
    answer = stack.post(scenario).json()
    assert answer["status"] == "completed", answer
    assert list(answer["results"]) == json.loads(scenario)["modules"]


def test_input_that_a_module_refuses_is_a_failed_run_with_the_module_s_pointer(stack: Stack, example: bytes) -> None:
    scenario = json.loads(example)
    scenario["inputs"]["policy_parameters"]["vat_rate"] = 7
    response = stack.post(json.dumps(scenario).encode())
    assert response.status_code == 502
    error = response.json()["error"]
    assert (error["module"], error["module_error"]["pointer"]) == ("policy-simulator", "/inputs/policy_parameters/vat_rate")
