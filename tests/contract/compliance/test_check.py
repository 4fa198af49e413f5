"""The kit against good modules, against services that are none, and against nothing at all."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_service import MODULES, ROOT

from ops_contract.compliance.check import CHECKS, check
from ops_contract.compliance.requirement import load_requirements
from ops_contract.compliance.result import ExitCode, Verdict
from ops_stubs import __version__

pytestmark = [pytest.mark.slow, pytest.mark.anyio]


@pytest.fixture(scope="module")
def file_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of static files, which has nothing to do with modules."""
    words = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    folder = tmp_path_factory.mktemp("files")
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().split(" port ")[1].split()[0]
        yield f"http://127.0.0.1:{port}"
        process.kill()


WITH_KEY_FIGURES = ("policy-simulator", "supplychain-risk", "dr-anticorruption")


async def test_stub_meets_every_requirement_that_can_be_checked_over_http(data_layer: str) -> None:
    await assert_meets_everything(data_layer, "data-layer")


@pytest.mark.proof
@pytest.mark.parametrize("name", [name for name in MODULES if name != "data-layer"])
async def test_other_stub_meets_every_requirement_too(stubs: str, name: str) -> None:
    await assert_meets_everything(f"{stubs}/{name}", name)


async def assert_meets_everything(url: str, name: str) -> None:
    report = await check(url)
    assert [(one.requirement.id, one.actual) for one in report.findings if one.verdict not in ("pass", "not_applicable")] == []
    without = {one.requirement.id for one in report.findings if one.verdict is Verdict.NOT_APPLICABLE}
    figures = set() if name in WITH_KEY_FIGURES else {"OPS-FIG-001"}
    assert without == {"OPS-CTR-001", "OPS-CTR-002", "OPS-CTR-003"} | figures
    assert report.exit_code(strict=True) == ExitCode.COMPLIANT
    assert (report.subject.module, report.subject.version) == (name, __version__)


async def test_service_that_is_not_a_module_fails_and_passes_nothing_that_needs_one(file_server: str) -> None:
    report = await check(file_server)
    assert report.exit_code() == ExitCode.NOT_COMPLIANT
    assert report.counts[Verdict.KIT_ERROR] == 0
    assert report.counts[Verdict.FAIL] > 10
    assert [one.requirement.id for one in report.findings if one.verdict == Verdict.PASS] == ["OPS-HLT-004"]


async def test_address_where_nothing_is_is_unreachable() -> None:
    report = await check("http://127.0.0.1:9")
    assert (report.unreachable, report.exit_code()) == ("Connection refused", ExitCode.UNREACHABLE)
    assert report.counts[Verdict.PASS] == 0
    assert {one.actual for one in report.findings if one.verdict is Verdict.NOT_TESTABLE} == {"Connection refused"}


async def test_selected_requirements_only_are_checked(data_layer: str) -> None:
    report = await check(data_layer, select={"OPS-HLT-001", "OPS-ART-003"})
    assert [one.requirement.id for one in report.findings] == ["OPS-HLT-001", "OPS-ART-003"]


def test_every_requirement_belongs_to_a_check() -> None:
    requirements = load_requirements().values()
    assert {name for one in requirements for name in (one.check, *one.also_in)} == set(CHECKS)
    assert {name for one in requirements for name in one.also_in} <= set(CHECKS)


def test_catalogue_has_the_requirements_of_the_specification_word_by_word() -> None:
    spec = (ROOT / "contract" / "SPEC.md").read_text()
    for one in load_requirements().values():
        anchored = f'<a id="{one.id.lower()}"></a>{one.id} | {one.level} | {one.profile} | {one.statement} |'
        assert f"| {anchored}" in spec, one.id
    assert spec.count('<a id="ops-') == len(load_requirements())


def test_catalogue_says_why_and_how_to_fix_it_in_sentences() -> None:
    for one in load_requirements().values():
        assert one.why.endswith(".")
        assert one.remedy.rstrip(")]").endswith((".", "name"))
        assert Path(one.anchor.partition("#")[0]).suffix == ".md"


async def test_module_that_answers_no_good_request_fails_that_one_requirement(data_layer: str) -> None:
    # Without the two that wait for a stub to take its time.
    select = load_requirements().keys() - {"OPS-HLT-003", "OPS-LIM-002"}
    report = await check(data_layer, inputs={"country": 5}, select=select)
    assert [one.requirement.id for one in report.findings if one.verdict == Verdict.FAIL] == ["OPS-EXE-001"]
    assert {one.requirement.id[4:7] for one in report.findings if one.verdict == Verdict.PASS} == {"HLT"}
    assert "--inputs" in next(one.actual for one in report.findings if one.verdict == Verdict.FAIL)
