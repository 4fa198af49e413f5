"""The commands on a terminal and in a pipe, as a person and as a program run them."""

import json
import subprocess
from collections.abc import Iterator, Sequence

import pytest
from kit_terminal import kit_on_terminal, lines_left
from local_service import command, environment, service

pytestmark = pytest.mark.slow

BROKEN = ("OPS-ERR-006", "OPS-ERR-001", "OPS-EXE-007")
CHOSEN = ("--select", "OPS-ERR-00*", "--select", "OPS-EXE-00[67]")


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A stub with two failures and a warning, of which two are seen in the same exchange."""
    folder = tmp_path_factory.mktemp("broken")
    with service(folder, "ops-stubs", "serve", "data-layer", "--violate", ",".join(BROKEN), "--port", "0") as (_, url):
        yield url


@pytest.mark.parametrize("columns", [80, 120])
def test_check_is_one_screen_that_ends_with_the_verdict_and_the_next_command(columns: int, broken: str) -> None:
    code, shown = kit_on_terminal(columns, "check", broken, *CHOSEN)
    lines = lines_left(shown)
    assert [line.split()[:2] for line in lines if line.startswith(("✗", "!"))] == [
        ["✗", "OPS-ERR-001"],
        ["✗", "OPS-ERR-006"],
        ["!", "OPS-EXE-007"],
    ]
    assert lines[-1] == "not compliant: 2 failed, 1 warning of 11 · ops-contract explain OPS-ERR-001"
    assert (code, len(lines) < 12, max(map(len, lines)) <= columns) == (1, True, True)
    assert "curl" not in shown


def test_check_at_length_shows_how_to_send_each_request_again_and_the_verdict_last_too(broken: str) -> None:
    lines = lines_left(kit_on_terminal(120, "check", "-v", broken, *CHOSEN)[1])
    assert sum(line.startswith("curl ") for line in lines) >= 2
    assert [line.split()[0] for line in lines if line.startswith(("expected ", "actual ", "why ", "remedy "))][:4] == [
        "expected",
        "actual",
        "why",
        "remedy",
    ]
    assert any(line.startswith("✓ OPS-ERR-003") for line in lines)
    assert lines[-1].endswith(" · ops-contract explain OPS-ERR-001")


def test_without_colours_marks_and_words_are_left(broken: str) -> None:
    _, shown = kit_on_terminal(80, "check", broken, *CHOSEN, NO_COLOR="1", CI="1")
    assert "\x1b[3" not in shown
    assert "✗ OPS-ERR-001" in shown


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "ops-contract: not compliant: 2 failed, 1 warning of 11 · ops-contract explain OPS-ERR-001\n"),
        (("--json",), ""),
    ],
    ids=["a pipe", "JSON"],
)
def test_pipe_gets_the_report_and_whoever_reads_a_log_the_verdict(broken: str, options: Sequence[str], told: str) -> None:
    words = [command("ops-contract"), "check", broken, *CHOSEN, *options]
    ran = subprocess.run(words, env=environment(), capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr, json.loads(ran.stdout)["counts"]["fail"]) == (1, told, 2)


@pytest.mark.parametrize("columns", [80, 120])
def test_explain_is_one_screen_with_both_examples(columns: int) -> None:
    code, shown = kit_on_terminal(columns, "explain", "ops-err-006")
    lines = lines_left(shown)
    good, bad = lines.index("✓ Good"), lines.index("✗ Bad")
    assert "  < 422" in lines[good:bad]
    assert "  < 500" in lines[bad:]
    assert (code, len(lines) < 40, max(map(len, lines)) <= columns) == (0, True, True)


def test_explain_for_programs_has_both_examples() -> None:
    ran = subprocess.run(
        [command("ops-contract"), "explain", "OPS-ERR-006"], env=environment(), capture_output=True, text=True, check=True
    )
    explained = json.loads(ran.stdout)
    assert (explained["id"], explained["spec"]) == ("OPS-ERR-006", "contract/SPEC.md#ops-err-006")
    assert explained["good"].startswith("> POST /execute\n> null\n< 422\n")
    assert "< 500" in explained["bad"]
