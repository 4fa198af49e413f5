"""What SECURITY.md promises is shown by tests, and what it says of the images and releases is what they are."""

import re
from typing import Final

from local_service import ROOT

TEXT: Final = (ROOT / "SECURITY.md").read_text()


def test_each_promise_of_protection_names_tests_that_there_are() -> None:
    (table,) = re.findall(r"^\| from whom .+\n\|[-|]+\n((?:\|.+\n)+)", TEXT, re.MULTILINE)
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()]
    assert len(rows) > 10
    for row in rows:
        shown = re.findall(r"\]\((tests/[^)]+)\)", row[-1])
        assert len(row) == 4, row
        assert shown, row
        assert all("def test_" in (ROOT / name).read_text() for name in shown), row


def test_repository_in_commands_and_labels_is_one() -> None:
    (named,) = set(re.findall(r"--repo (\S+?)`", TEXT))
    assert f"https://github.com/{named}" in (ROOT / "CITATION.cff").read_text()
    assert f'org.opencontainers.image.source="https://github.com/{named}"' in (ROOT / "Dockerfile").read_text()


def test_no_address_is_asked_to_receive_reports() -> None:
    """Reports are private advisories: a mail address would have to be somebody's."""
    assert re.findall(r"\b[\w.+-]+@[\w-]+\.\w+", TEXT + (ROOT / "CODE_OF_CONDUCT.md").read_text()) == []
