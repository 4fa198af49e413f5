"""`ops validate`: what is wrong with scenarios and modules.yaml, and on which line."""

import json
from pathlib import Path

import pytest
from command_line import ops
from local_service import ROOT

MODULES = "modules:\n  alpha:\n    url: http://alpha.test\n"


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    (tmp_path / "modules.yaml").write_text(MODULES)
    return tmp_path / "modules.yaml"


def test_examples_are_fine_without_a_service(tmp_path: Path) -> None:
    examples = sorted(map(str, (ROOT / "examples").glob("*.json")))
    ran = ops(tmp_path, "validate", *examples, str(ROOT / "modules.yaml"))
    assert (ran.returncode, len(ran.stdout.splitlines())) == (0, len(examples) + 1)
    assert all(": ok, " in line for line in ran.stdout.splitlines())


@pytest.mark.parametrize(
    ("scenario", "reported"),
    [
        (
            b'{"scenario_id": "x",\n "modules": [\n  "alpha",\n  "alhpa"]}',
            ":4: /modules/1: 'alhpa' is not registered; did you mean",
        ),
        (
            b'{"scenario_id": "x", "modules": ["alpha"],\n"sweep": {"parameters": {\n"/a": {"from": 1,\n"to": 2, "step": 0}}}}',
            ":4: /sweep/parameters/~1a/step: must not be 0",
        ),
        (b'{"scenario_id": "x",\n\t"modulse": ["alpha"]}', ":2: /modulse: is not a known field; did you mean 'modules'?"),
        (b'{\n\n"modules": ["alpha"]}', ":1: /scenario_id: is required"),
        (
            b'{"scenario_id": "x", "modules": ["alpha"],\n"inputs": {"a\\"}{,": [1,\n9007199254740992]}}',
            ':3: /inputs/a"}{,/1: ',
        ),
        (
            b'{"scenario_id": "x", "modules": ["alpha",\n {"module": "alpha"}]}',
            ":2: /modules/1: there is a step 'alpha' before. Each",
        ),
        (
            b'{"scenario_id": "x", "modules": ["alpha"],\n"run_options": {"labels": {\n"a": "",\n"a/b": 7}}}',
            ":4: /run_options/labels/a~1b: must be a string, not 7",
        ),
        (
            b'{"scenario_id": "x", "modules": ["alpha"],\n"run_options": {\n"deadline_s": 0}}',
            ":3: /run_options/deadline_s: must be greater than or equal to 0.001, not 0",
        ),
        (b'{"scenario_id":\n ]', ":2: This is not JSON as it should be: "),
        (b"# A heading\n", ":1: This is not JSON as it should be: "),
        (b"\xff", ":1: This is not JSON as it should be: the text is not UTF-8"),
    ],
)
def test_mistake_in_a_scenario_is_reported_with_its_line(tmp_path: Path, modules: Path, scenario: bytes, reported: str) -> None:
    file = tmp_path / "scenario.json"
    file.write_bytes(scenario)
    ran = ops(tmp_path, "validate", str(file), str(modules))
    assert ran.returncode == 1
    assert f"{file}{reported}" in ran.stdout
    assert f"{modules}: ok, 1 module" in ran.stdout


def test_mistakes_are_listed_in_their_order_and_bounded(tmp_path: Path, modules: Path) -> None:
    file = tmp_path / "scenario.json"
    file.write_text(json.dumps({f"key{number}": 0 for number in range(50)}, indent=1))
    lines = ops(tmp_path, "validate", str(file), str(modules)).stdout.splitlines()
    numbers = [int(line.split(":")[1]) for line in lines[:-2]]
    assert numbers == sorted(numbers)
    assert (len(lines), lines[-2].partition(": and ")[2]) == (22, "32 more")


def test_mistake_in_modules_yaml_is_reported_and_the_scenarios_are_still_checked(tmp_path: Path, modules: Path) -> None:
    modules.write_text(MODULES + "    retries: two\n")
    (tmp_path / "scenario.json").write_text('{"scenario_id": "x", "modules": ["beta"]}')
    ran = ops(tmp_path, "validate", "scenario.json", "modules.yaml")
    assert ran.returncode == 1
    assert ran.stdout.splitlines() == [
        "scenario.json: ok, 1 step; no modules.yaml could be read to look up their modules",
        "modules.yaml:4: retries must be an integer, not 'two'",
    ]


def test_modules_are_looked_up_where_the_setting_says(tmp_path: Path, modules: Path) -> None:
    (tmp_path / "scenario.json").write_text('{"scenario_id": "x", "modules": ["beta"]}')
    ran = ops(tmp_path, "validate", "scenario.json", OPS_MODULES_FILE=str(modules))
    assert (ran.returncode, "'beta' is not registered" in ran.stdout) == (1, True)


def test_file_that_cannot_be_read_is_reported_beside_the_others(tmp_path: Path, modules: Path) -> None:
    ran = ops(tmp_path, "validate", "none.json", "none.yaml", str(modules))
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[:2] == [
        f"{name}: cannot be read: No such file or directory" for name in ("none.json", "none.yaml")
    ]
    assert ": ok, " in ran.stdout.splitlines()[2]


def test_file_that_is_not_utf_8_is_reported_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "modules.yaml").write_bytes(b"modules:\n  # caf\xe9\n")
    ran = ops(tmp_path, "validate", "modules.yaml")
    assert ran.stdout == "modules.yaml:2: cannot be read: it is not UTF-8; save it in that encoding\n"


def test_scenario_may_come_from_standard_input(tmp_path: Path, modules: Path) -> None:
    ran = ops(tmp_path, "validate", "-", str(modules), stdin='{"scenario_id": "x", "modules": ["alpha"]}')
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (0, "-: ok, 1 step")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("modules.conf", "# ours\n" + MODULES),
        ("modules.json", '{"modules": {"alpha": {"url": "http://alpha.test"}}}'),
        ("modules", "\ufeff" + MODULES),
    ],
)
def test_modules_are_known_by_their_content(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    (tmp_path / "scenario.yaml").write_text('{"scenario_id": "x", "modules": ["alpha"]}')
    ran = ops(tmp_path, "validate", name, "scenario.yaml")
    assert (ran.returncode, ran.stdout) == (0, f"{name}: ok, 1 module\nscenario.yaml: ok, 1 step\n")


def test_modules_may_come_from_standard_input(tmp_path: Path) -> None:
    (tmp_path / "scenario.json").write_text('{"scenario_id": "x", "modules": ["beta"]}')
    ran = ops(tmp_path, "validate", "-", "scenario.json", stdin=MODULES)
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (1, "-: ok, 1 module")
    assert "'beta' is not registered" in ran.stdout


def test_scenario_is_not_fine_when_the_modules_cannot_be_looked_up(tmp_path: Path) -> None:
    (tmp_path / "scenario.json").write_text('{"scenario_id": "x", "modules": ["beta"]}')
    ran = ops(tmp_path, "validate", "scenario.json", OPS_MODULES_FILE="none.yaml")
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[1].startswith("none.yaml: cannot be read: No such file or directory; set OPS_MODULES_FILE")


def test_json_tells_programs_where_each_mistake_is(tmp_path: Path, modules: Path) -> None:
    (tmp_path / "scenario.json").write_text('{"scenario_id": "x",\n"modules": ["beta"]}')
    (verdict, _) = json.loads(ops(tmp_path, "validate", "--json", "scenario.json", str(modules)).stdout)
    (mistake,) = verdict["mistakes"]
    assert (verdict["file"], verdict["kind"]) == ("scenario.json", "scenario")
    assert (mistake["line"], mistake["pointer"]) == (2, "/modules/0")


def test_without_a_file_it_is_a_mistake_of_usage(tmp_path: Path) -> None:
    assert ops(tmp_path, "validate").returncode == 2


def test_sweep_is_fine_with_the_number_of_its_points_and_what_may_not_be_meant(modules: Path) -> None:
    sweep = {
        "scenario_id": "x",
        "modules": ["alpha"],
        "inputs": {"rate": 1},
        "sweep": {"parameters": {"/horizon": [1, 2]}, "seeds": 3},
    }
    (modules.parent / "sweep.json").write_text(json.dumps(sweep))
    ran = ops(modules.parent, "validate", "sweep.json", "modules.yaml")
    assert ran.returncode == 0
    assert "sweep.json: ok, 1 step, 6 points; the scenario has no input /horizon; it is added to the inputs\n" in ran.stdout
