"""The difference of two runs as people read it."""

from pathlib import Path

import pytest
from stub_runs import StubRuns

from ops_orchestrator.runs.comparison.artifacts import ArtifactDiff, ArtifactFile
from ops_orchestrator.runs.comparison.diff import ComparedRun, RunDiff, diff_runs
from ops_orchestrator.runs.comparison.evidence import EvidenceDiff
from ops_orchestrator.runs.comparison.grades import Tolerance, Tolerances
from ops_orchestrator.runs.comparison.places import SCREEN, Place, places_of
from ops_orchestrator.runs.comparison.steps import StepDiff, WarningsDiff
from ops_orchestrator.runs.comparison.text import Line, lines_of, text_of
from ops_orchestrator.runs.comparison.wording import path_text, value_texts
from ops_orchestrator.runs.store.folder_run import FolderRun

RUN = ComparedRun(run_id="run_1", scenario_id="demo", status="completed", warnings=2, synthetic=True)


def of_step(step: StepDiff) -> list[str]:
    """What is said of a step, below the table of all steps."""
    text = text_of(RunDiff(a=RUN, b=RUN, grade=step.grade, cause="Why.", steps=(step,)))
    return text.partition("\nSteps\n")[2].splitlines()[2:]


def test_the_cause_comes_first_then_what_went_in_then_the_steps(stub_runs: StubRuns) -> None:
    a, b = (FolderRun(Path(stub_runs.home / "runs"), stub_runs.ids[name]) for name in ("baseline", "vat-raised"))
    lines = text_of(diff_runs(a, b, limits=SCREEN)).splitlines()

    assert lines[0] == (
        "policy-simulator is the first step whose result differs: its input policy_parameters.vat_rate differs (0.18 → 0.2)."
    )
    headings = [line for line in lines if line and not line.startswith(" ")]
    assert [heading.partition(",")[0] for heading in headings[3:]] == [
        "Request",
        "Steps",
        "Outputs of policy-simulator",
        "Artifacts of policy-simulator",
        "Outputs of strategy-agent",
        "Artifacts of strategy-agent",
        "Evidence of strategy-agent",
    ]
    assert "  kpis.gdp_growth                               4.28 %      4.23 %   -0.05 pp   -1.08 %  a year, real" in "\n".join(
        lines
    )


def test_figures_that_differ_by_less_than_their_unit_shows_are_written_in_full() -> None:
    outputs = places_of({"kpis": {"growth": 0.02}}, {"kpis": {"growth": 0.0200000001}}, Tolerances(Tolerance(rel=1e-6)))
    step = StepDiff(id="alpha", grade="within tolerance", outputs=outputs, units={"growth": "share_of_gdp"})

    assert of_step(step) == [
        "Outputs of alpha, 1 place differs, 1 of them within tolerance",
        "                  A             B  change    relative                    unit",
        "  kpis.growth  0.02  0.0200000001  +1e-10  +5.0e-07 %  within tolerance  share of gdp",
    ]


def test_evidence_warnings_and_artifacts_are_lines_with_a_sign() -> None:
    file = ArtifactFile(media_type="image/png", size_bytes=1234, sha256="0" * 64)
    step = StepDiff(
        id="alpha",
        grade="different",
        artifacts=(
            ArtifactDiff(name="plot.png", kind="image", a=file, b=file),
            ArtifactDiff(name="x", kind="only in B", b=file),
            ArtifactDiff(name="y", kind="only in B", b=file.model_copy(update={"size_bytes": 1})),
        ),
        evidence=EvidenceDiff(reordered=True),
        warnings=WarningsDiff(gained=("new\x1b[2J",), dropped=("old",), more=2),
    )

    assert of_step(step) == [
        "Artifacts of alpha",
        "  plot.png: image differs, 1,234 and 1,234 bytes",
        "  x: only in B, 1,234 bytes",
        "  y: only in B, 1 byte",
        "",
        "Evidence of alpha",
        "  the same, in another order",
        "",
        "Warnings of alpha",
        "  - old",
        "  + new\ufffd[2J",
        "  and 2 more changes",
    ]


@pytest.mark.parametrize(
    ("line", "pieces"),
    [
        (Line("  name  some reason that is too long", column=8), ["  name  some reason that is", "        too long"]),
        (Line("  name  a unit that is really long", column=8, cut=True), ["  name  a unit that is re..."]),
        (Line(""), [""]),
    ],
)
def test_a_long_line_goes_on_in_its_last_column_or_is_cut_there(line: Line, pieces: list[str]) -> None:
    assert line.broken(28) == pieces


@pytest.mark.parametrize(
    ("pointer", "text"),
    [
        ("/policy_parameters/vat_rate", "policy_parameters.vat_rate"),
        ("/rows/0/x", "rows.0.x"),
        ("/a~1b/c", "/a~1b/c"),
        ("/a.b", "/a.b"),
    ],
)
def test_a_pointer_is_written_with_dots_where_nothing_is_ambiguous(pointer: str, text: str) -> None:
    assert path_text(pointer) == text


def test_long_values_are_cut_so_that_the_difference_is_seen() -> None:
    first, second = value_texts(Place(pointer="/x", a="same " * 20 + "one", b="same " * 20 + "two"))

    assert max(len(first), len(second)) <= 40
    assert (first[-4:], second[-4:]) == ('one"', 'two"')


def test_every_line_says_what_it_is(stub_runs: StubRuns) -> None:
    a, b = (FolderRun(Path(stub_runs.home / "runs"), stub_runs.ids[name]) for name in ("baseline", "vat-raised"))

    kinds = {line.kind for line in lines_of(diff_runs(a, b, limits=SCREEN))}
    assert kinds == {"cause", "heading", "plain", "faint", "dropped", "gained", "rest"}


def test_each_run_says_at_first_glance_that_it_is_synthetic_and_warned() -> None:
    text = text_of(RunDiff(a=RUN, b=RUN, grade="identical", cause="Why.", steps=()))
    assert "\nA  run_1  completed  demo  synthetic, 2 warnings\n" in text
