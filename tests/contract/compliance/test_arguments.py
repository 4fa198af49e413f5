from pathlib import Path

import pytest

from ops_contract.compliance import load_requirements
from ops_contract.compliance.arguments import UsageError, check_places, checked_url, read_inputs, selected


@pytest.mark.parametrize("url", ["http://localhost:8080", "https://module.example/base", "http://[::1]:80"])
def test_base_url_is_taken_as_it_is(url: str) -> None:
    assert checked_url(url) == url


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://x", "http://", "http://x:port", "http://[::1", "", "http://x?a=1", "http://x/#y"]
)
def test_what_is_no_base_url_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(UsageError, match="is not a base URL; write one like http://localhost:8080"):
        checked_url(url)


def test_address_without_scheme_is_shown_with_one() -> None:
    with pytest.raises(UsageError, match=r"write one like http://localhost:9000/base$"):
        checked_url("localhost:9000/base")


def test_report_that_can_not_be_written_is_told_before_the_check(tmp_path: Path) -> None:
    check_places((None, tmp_path / "report.html", Path("report.json")))
    with pytest.raises(UsageError, match="there is no folder"):
        check_places((None, tmp_path / "none" / "report.html"))
    with pytest.raises(UsageError, match="it is a folder"):
        check_places((tmp_path,))


def test_patterns_name_ids_in_either_case() -> None:
    assert selected(["ops-ver-*", "OPS-HLT-001"]) == {"OPS-VER-001", "OPS-VER-002", "OPS-HLT-001"}
    assert selected(None) == set(load_requirements())


def test_pattern_that_names_nothing_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no requirement is 'OPS-HLT-0001'; did you mean 'OPS-HLT-001'"):
        selected(["OPS-HLT-0001"])


@pytest.mark.parametrize(
    ("content", "told"), [(b"[1]", "must be a JSON object"), (b"{", "at line 1"), (b"\xff", "it is not UTF-8")]
)
def test_inputs_that_are_no_object_are_refused_by_the_file_s_name(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_bytes(content)
    with pytest.raises(UsageError, match=rf"inputs\.json.*{told}"):
        read_inputs(tmp_path / "inputs.json")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*none\.json: No such file or directory"):
        read_inputs(tmp_path / "none.json")
