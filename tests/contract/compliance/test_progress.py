"""How far a check is: one line of a terminal that is rewritten, and nothing of it anywhere else."""

import re

import pytest
from kit_terminal import ERASED_LINE, kit_on_terminal, lines_left

from ops_contract.compliance.check import check

pytestmark = pytest.mark.slow

CHOSEN = ("--select", "OPS-HLT-00[1245]", "--select", "OPS-EXE-*")


def test_line_names_the_check_and_how_far_it_is_and_is_gone_at_the_end(data_layer: str) -> None:
    code, shown = kit_on_terminal(80, "check", data_layer, *CHOSEN)
    drawn = [part.partition("\r")[0] for part in shown.split(ERASED_LINE)]
    steps = [one for one in drawn if re.fullmatch(rf"checking {data_layer}: [a-z ]+, \d+ of 11 requirements, \d+ s", one)]
    assert {one.partition(": ")[2].partition(",")[0] for one in steps} == {"health", "good requests", "errors", "every answer"}
    done = [int(one.partition(", ")[2].partition(" ")[0]) for one in steps]
    assert (done[0], done[-1], done) == (0, 11, sorted(done))
    assert code == 0
    assert lines_left(shown)[-1] == "compliant: all 11 passed"
    assert not any("checking" in line for line in lines_left(shown))


def test_line_never_fills_the_terminal_and_says_the_progress_also_of_a_long_name(data_layer: str) -> None:
    _, shown = kit_on_terminal(50, "check", data_layer, *CHOSEN)
    lines = [line for line in (part.partition("\r")[0] for part in shown.split(ERASED_LINE)) if line.startswith("check")]
    assert max(map(len, lines)) == 49
    assert re.fullmatch(r"checking?.*\.\.\.: errors, 1[01] of 11 requirements, \d+ s", lines[-1]), lines


@pytest.mark.parametrize(
    ("words", "pipes", "variables"),
    [((), True, {}), (("--json",), False, {}), ((), False, {"CI": "true"}), ((), False, {"TERM": "dumb"})],
)
def test_where_nobody_watches_there_is_none(
    words: tuple[str, ...], pipes: bool, variables: dict[str, str], data_layer: str
) -> None:
    _, shown = kit_on_terminal(80, "check", data_layer, "--select", "OPS-HLT-001", *words, pipes=pipes, **variables)
    assert "checking" not in shown
    assert ERASED_LINE not in shown


@pytest.mark.anyio
async def test_who_calls_from_python_is_told_each_result(data_layer: str) -> None:
    told: list[tuple[str, int, int]] = []
    await check(data_layer, select={"OPS-HLT-001", "OPS-EXE-006"}, progress=lambda *now: told.append(now))
    checks = [("health", 0, 2), ("health", 1, 2), ("golden", 1, 2), ("golden", 2, 2)]
    assert list(dict.fromkeys(told)) == [*checks, ("every_answer", 2, 2)]
