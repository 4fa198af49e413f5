"""The monitor: what it counts and what it reports."""

from collections.abc import Callable
from typing import Any

import pytest

from ops_contract import ExecuteRequest, fingerprint
from ops_stubs.module import Result
from ops_stubs.monitor import execute

MakeRequest = Callable[..., ExecuteRequest]

SOUND = {"id": "e1", "kind": "dataset", "title": "t", "supports": ["/a"], "synthetic": True}


@pytest.fixture
def watch(ask: MakeRequest) -> Callable[..., dict[str, Any]]:
    def make(**step: Any) -> dict[str, Any]:
        return execute(ask(upstream={"one": {"module": "m", "outputs": {"a": 1}, "evidence": [SOUND]} | step})).outputs

    return make


def test_execute_over_a_whole_run_counts_what_is_there(raised: dict[str, Result]) -> None:
    outputs, earlier = raised["monitor"].outputs, [raised[name] for name in raised if name != "monitor"]
    assert [step["step"] for step in outputs["steps"]] == [name for name in raised if name != "monitor"]
    assert outputs["totals"]["artifacts"] == sum(len(result.artifacts) for result in earlier)
    assert outputs["totals"]["artifact_bytes"] == sum(len(file.content) for result in earlier for file in result.artifacts)
    assert (outputs["verdict"], outputs["totals"]["synthetic_share"]) == ("clean", 1.0)


def test_execute_without_earlier_steps_says_so_and_succeeds(ask: MakeRequest) -> None:
    result = execute(ask())
    assert (result.outputs["verdict"], result.outputs["totals"]["steps"]) == ("nothing to watch", 0)
    assert "nothing to watch" in result.warnings[0]
    assert "Put `monitor` after" in result.artifacts[0].content.decode()


def test_execute_identifies_outputs_by_their_fingerprint(watch: Callable[..., dict[str, Any]]) -> None:
    assert watch()["steps"][0]["outputs_sha256"] == fingerprint({"a": 1})


def test_execute_with_a_sound_step_finds_it_clean(watch: Callable[..., dict[str, Any]]) -> None:
    outputs = watch()
    assert (outputs["verdict"], [finding["severity"] for finding in outputs["findings"]]) == ("clean", ["info"])


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"evidence": []}, "no evidence"),
        ({"outputs": {}, "evidence": []}, "the outputs are empty"),
        ({"outputs": {"a": 2**60}}, "cannot carry"),
        ({"evidence": [SOUND | {"supports": ["/b"]}]}, "/evidence/0 supports /b"),
    ],
    ids=str,
)
def test_execute_with_a_doubtful_step_reports_it(watch: Callable[..., dict[str, Any]], step: dict[str, Any], said: str) -> None:
    outputs = watch(**step)
    warnings = [finding["message"] for finding in outputs["findings"] if finding["severity"] == "warning"]
    assert outputs["verdict"] == "attention"
    assert any(said in message for message in warnings)


def test_execute_with_evidence_that_is_not_synthetic_counts_its_share(watch: Callable[..., dict[str, Any]]) -> None:
    outputs = watch(evidence=[SOUND, SOUND | {"id": "e2", "synthetic": False}])
    assert outputs["totals"]["synthetic_share"] == 0.5


def test_execute_writes_a_page_that_foreign_text_cannot_break(ask: MakeRequest) -> None:
    hostile = SOUND | {"supports": ["/a\n# Owned | <script>"]}
    result = execute(ask(upstream={"one": {"module": "m", "outputs": {"a": 1}, "evidence": [hostile]}}))
    page = result.artifacts[0].content.decode()
    assert "\n# Owned" not in page
    assert "<script>" not in page.replace("\\<", "")
