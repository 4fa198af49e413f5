"""`ops runs reproduce`, offline and through a service, on runs that the stubs made."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import recorded_run
from command_line import on_terminal, ops
from local_service import service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of all that the shipped example calls; nothing of this home registers a module."""
    return recorded_run.run(tmp_path_factory.mktemp("home"), recorded_run.scenario())


def reproduced(home: Path, *words: str) -> tuple[int, dict[str, Any]]:
    ran = ops(home, "runs", "reproduce", *words, OPS_MODULES_FILE=str(home / "nothing.yaml"))
    return ran.returncode, json.loads(ran.stdout) if ran.stdout else {"error": ran.stderr}


def plain(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)


def test_run_of_another_machine_is_identical_offline(original: Path, tmp_path: Path) -> None:
    code, answer = reproduced(tmp_path, str(original), "--offline")
    assert answer["reproduction"]["grade"] == "identical", answer
    assert (code, answer["reproduces"], answer["reproduction"]["offline"]) == (0, original.name, True)
    made = tmp_path / "runs" / answer["run_id"]
    first, second = (recorded_run.document(folder) for folder in (original, made))
    assert first["fingerprints"] == second["fingerprints"]
    for kept in (original / "artifacts").rglob("*.*"):
        assert (made / kept.relative_to(original)).read_bytes() == kept.read_bytes()


def test_run_is_shown_with_what_it_reproduces_and_the_first_with_what_reproduces_it(original: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    recorded_run.copy(original, home / "runs")
    code, shown = on_terminal(home, "runs", "reproduce", original.name, "--offline")
    assert code == 0
    assert f"Reproduces {original.name}, answered from its record, no module was called" in shown
    assert "  policy-simulator  identical\n  strategy-agent    identical\n" in plain(shown)
    (made,) = {path.name for path in (home / "runs").glob("run_*")} - {original.name}
    code, shown = on_terminal(home, "runs", "show", original.name)
    assert (code, f"reproduced by {made}: identical" in plain(shown)) == (0, True)


def test_difference_is_shown_with_its_cause_and_ends_with_1(tmp_path: Path) -> None:
    original = recorded_run.run(tmp_path / "home", recorded_run.scenario(save_artifacts=False))
    code, answer = reproduced(tmp_path, str(original), "--offline")
    assert (code, answer["reproduction"]["steps"]["policy-simulator"]) == (1, "missing")
    code, shown = on_terminal(tmp_path, "runs", "reproduce", str(original), "--offline")
    assert (code, answer["reproduction"]["cause"][:40] in shown) == (1, True)


def change_a_figure(file: Path) -> None:
    document = json.loads(file.read_bytes())
    step = document["steps"]["policy-simulator"] if "steps" in document else document
    step["outputs"]["kpis"]["gdp_growth"] = 9.0
    file.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("name", "grade"),
    [("results.json", "different"), ("steps/1-policy-simulator/result.json", "identical"), ("logs.jsonl", "identical")],
)
def test_damage_of_the_first_run_is_said_first(original: Path, tmp_path: Path, name: str, grade: str) -> None:
    folder = recorded_run.copy(original, tmp_path / "elsewhere")
    if name == "logs.jsonl":
        (folder / name).write_bytes(b"")
    else:
        change_a_figure(folder / name)
    _, answer = reproduced(tmp_path, str(folder), "--offline")
    assert answer["reproduction"]["grade"] == grade
    assert answer["reproduction"]["cause"].startswith(f"The record of A is damaged, {name}: expected ")
    assert "`ops runs verify` shows all that is wrong with it. " in answer["reproduction"]["cause"]


@pytest.mark.parametrize("words", [("--offline",), ("--offline", "--current-modules")])
def test_run_without_results_is_refused_in_one_line_before_one_is_made(
    original: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    folder = recorded_run.copy(original, tmp_path / "elsewhere")
    (folder / "results.json").unlink()
    (tmp_path / "modules.yaml").write_text("modules: {}")
    ran = ops(tmp_path, "runs", "reproduce", str(folder), *words)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert ran.stderr.startswith(f"ops: {folder.resolve()}/results.json is damaged: the file is missing; ")
    assert not list(tmp_path.glob("runs/run_*"))


def test_service_reproduces_a_run_with_the_modules_of_its_record(tmp_path: Path, stubs: str) -> None:
    (tmp_path / "modules.yaml").write_text(f"modules: {{policy-simulator: {{url: {stubs}/policy-simulator}}}}")
    variables = {"OPS_MODULES_FILE": str(tmp_path / "modules.yaml")}
    (tmp_path / "scenario.json").write_text(json.dumps(recorded_run.scenario(["policy-simulator"])))
    with service(tmp_path, "ops", "serve", "--port", "0", **variables) as (_, url):
        ran = ops(tmp_path, "run", "scenario.json", OPS_URL=url)
        run_id = json.loads(ran.stdout)["run_id"]
        again = ops(tmp_path, "runs", "reproduce", "latest", "--pin", OPS_URL=url)
        assert (again.returncode, json.loads(again.stdout)["reproduction"]["grade"]) == (0, "identical"), again.stderr
        elsewhere = ops(tmp_path, "runs", "reproduce", f"runs/{run_id}", OPS_URL=url)
        assert (elsewhere.returncode, "import it with `ops runs import`, or add --offline" in elsewhere.stderr) == (2, True)


@pytest.mark.parametrize("words", [("--rel", "nan"), ("--rel", "-1"), ("--abs", "inf")])
def test_tolerance_that_means_nothing_is_refused(original: Path, tmp_path: Path, words: tuple[str, str]) -> None:
    ran = ops(tmp_path, "runs", "reproduce", str(original), "--offline", *words)
    assert (ran.returncode, ran.stdout) == (2, "")


def test_run_that_does_not_exist_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    ran = ops(tmp_path, "runs", "reproduce", "run_x", "--offline")
    assert (ran.returncode, ran.stderr.startswith("ops: there is no run 'run_x'")) == (2, True)
