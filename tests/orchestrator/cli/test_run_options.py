"""`ops run --label --deadline --key`: what is sent besides the scenario as it stands in its file."""

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import ops

from ops_orchestrator.cli.input_options import with_inputs
from ops_orchestrator.cli.run_options import with_run_options
from ops_orchestrator.errors import ConfigurationError
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


def test_seed_takes_the_place_of_that_of_the_scenario() -> None:
    content = json.dumps({**SCENARIO, "run_options": {"seed": 7, "save_artifacts": False}}).encode()
    options = read_scenario(with_run_options(content, [], None, seed=8)).as_json()["run_options"]
    assert options == {"seed": 8, "save_artifacts": False}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("/rate=0.2", {"rate": 0.2, "years": [1, 2.0]}),
        ("/years/1=3", {"rate": 0.1, "years": [1, 3]}),
        ("/country=DR", {"rate": 0.1, "years": [1, 2.0], "country": "DR"}),
        ('/country="1"', {"rate": 0.1, "years": [1, 2.0], "country": "1"}),
        ('/a/b={"c": null}', {"rate": 0.1, "years": [1, 2.0], "a": {"b": {"c": None}}}),
        ("/text=a=b", {"rate": 0.1, "years": [1, 2.0], "text": "a=b"}),
    ],
)
def test_input_is_set_to_json_or_else_to_text(setting: str, expected: dict[str, Any]) -> None:
    assert read_scenario(with_inputs(json.dumps(SCENARIO).encode(), [setting])).inputs == expected


@pytest.mark.parametrize(
    "text", ["1e400", "NaN", "-Infinity", "0,2", "1_000", "01", '{"a": 1, "a": 2}', "[" * 300, "True", '"a']
)
def test_value_that_seems_to_be_json_and_is_not_is_set_as_text_with_a_note(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read_scenario(with_inputs(json.dumps(SCENARIO).encode(), [f"/rate={text}"])).inputs["rate"] == text
    assert capsys.readouterr().err.startswith("ops: --set /rate: the value is set as text, because it is not JSON: ")


@pytest.mark.parametrize("text", ["", "DR", "2026-01-09", "true north", "12 months", "north, south", "1"])
def test_other_values_are_set_without_a_note(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with_inputs(json.dumps(SCENARIO).encode(), [f"/rate={text}"])
    assert capsys.readouterr().err == ""


def test_scenario_is_sent_byte_for_byte_when_nothing_is_set() -> None:
    content = b'{"scenario_id":  "x", "modules": ["alpha"]}\n'
    assert with_inputs(content, []) == content


def test_input_that_the_scenario_does_not_have_is_noted(capsys: pytest.CaptureFixture[str]) -> None:
    with_inputs(json.dumps(SCENARIO).encode(), ["/horizon=1"])
    assert capsys.readouterr().err == "ops: --set /horizon: the scenario has no input /horizon; it is added to the inputs\n"


def test_input_that_is_nearly_called_as_one_of_the_scenario_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"/rat is not an input of the scenario; did you mean /rate"):
        with_inputs(json.dumps(SCENARIO).encode(), ["/rat=1"])


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
        (("--seed", "-1"), "--seed cannot be used: /seed must be greater than or equal to 0, not -1"),
        *(
            (("--seed", text), f"invalid value for '--seed': must be a whole number such as 42, not {text!r}")
            for text in ("1_000", "+5", " 5", "007", "1.0", "\N{ARABIC-INDIC DIGIT THREE}")
        ),
        (("--set", "/rate"), "--set '/rate' has no value; write --set POINTER=VALUE"),
        (("--set", "rate=1"), "--set 'rate' must be a JSON pointer into the inputs, which begins with a slash"),
        (("--set", "/rate/x=1"), "--set /rate/x leads to 'x' within a value that is neither an object nor a list"),
        (("--set", "/rate=1", "--set", "/rate=2"), "--set /rate stands twice; an input has one value"),
        (("--set", f"/rate={2**60}"), "--set '/rate' the integer 1152921504606846976 is beyond 2^53 - 1"),
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
