"""`ops run --label --deadline --key`: what is sent besides the scenario as it stands in its file."""

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import ops

from ops_orchestrator.cli.run_options import with_run_options
from ops_orchestrator.planning.scenario import read_scenario

SCENARIO = {"scenario_id": "país", "modules": ["alpha"], "inputs": {"rate": 0.10, "years": [1, 2.0]}}

KEY_RULE = "--key must be 1 to 255 printable ASCII characters without spaces around them, such as $(uuidgen), not "


def sent(options: dict[str, Any], *labels: str, deadline_s: float | None = None) -> dict[str, Any]:
    """The scenario that is sent when its file has the run `options`."""
    content = json.dumps({**SCENARIO, "run_options": options}).encode()
    return read_scenario(with_run_options(content, labels, deadline_s)).as_json()


def test_scenario_is_sent_byte_for_byte_without_options() -> None:
    content = b'{"scenario_id":  "x", "modules": ["alpha"]}\n'
    assert with_run_options(content, [], None) == content


def test_options_are_added_to_those_of_the_scenario_and_nothing_else_changes() -> None:
    scenario = sent({"seed": 7}, "study=vat", "note=a=b", "empty=", deadline_s=60)
    labels = {"study": "vat", "note": "a=b", "empty": ""}
    options = {"seed": 7, "save_artifacts": True, "labels": labels, "deadline_s": 60.0}
    assert scenario == {**SCENARIO, "run_options": options}


def test_pin_is_added_to_those_of_the_scenario() -> None:
    content = json.dumps({**SCENARIO, "run_options": {"pin": {"alpha": "1", "beta": {"image_digest": "d"}}}}).encode()
    options = read_scenario(with_run_options(content, [], None, ["alpha=2.0=rc"])).as_json()["run_options"]
    assert options["pin"] == {"alpha": "2.0=rc", "beta": {"image_digest": "d"}}


def test_option_replaces_what_the_scenario_says() -> None:
    in_file = {"labels": {"study": "cit", "team": "a"}, "deadline_s": 5}
    options = sent(in_file, "study=vat", deadline_s=60)["run_options"]
    assert (options["labels"], options["deadline_s"]) == ({"study": "vat", "team": "a"}, 60.0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--label", "study"), "--label 'study' has no value; write --label KEY=VALUE"),
        (("--label", "a=1", "--label", "a=2"), "--label 'a=2': the key 'a' stands twice; a run has one value for each key"),
        (("--label", "=1"), "--label cannot be used: /labels/ must be a key of 1 to 63 letters, digits, "),
        (("--label", "a=\x1b[2J"), r"--label cannot be used: /labels/a must be text without control characters, not '\x1b[2J'"),
        (("--label", "a=\udc9b"), "--label cannot be used: /labels/a must be a valid string"),
        (
            tuple(word for number in range(32) for word in ("--label", f"k{number}=")),
            "--label cannot be used: /labels has 33 labels; a run has at most 32",
        ),
        (("--deadline", "0"), "--deadline cannot be used: /deadline_s must be greater than or equal to 0.001, not 0.0"),
        (("--deadline", "nan"), "--deadline cannot be used: /deadline_s must be a finite number, not nan"),
        (("--pin", "alpha"), "--pin 'alpha' has no value; write --pin MODULE=VERSION"),
        (("--pin", "alpha="), "--pin cannot be used: /pin/alpha/version "),
        (("--key", ""), KEY_RULE + "''"),
        (("--key", "clé"), KEY_RULE + "'clé'"),
        (("--key", "a\nb"), KEY_RULE + r"'a\nb'"),
        (("--key", "k" * 256), KEY_RULE + "'kkk"),
        (("--deadline", "soon"), "invalid value for '--deadline': must be a valid number"),
    ],
)
def test_option_that_cannot_be_used_is_refused_before_anything_is_sent(
    tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / "scenario.json").write_text(json.dumps({**SCENARIO, "run_options": {"labels": {"own": ""}}}))
    ran = ops(tmp_path, "run", "scenario.json", "--url", "http://127.0.0.1:1", *words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"ops: {message}")
