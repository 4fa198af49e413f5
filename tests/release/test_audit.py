"""`make audit` beside a pip-audit that answers as the real one does: never a false "none known"."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from local_service import ROOT

pytestmark = pytest.mark.slow

GOOD = {"name": "idna", "version": "3.20", "vulns": []}
BAD = {"name": "urllib3", "version": "2.8.0", "vulns": [{"id": "GHSA-1", "fix_versions": ["2.8.1"]}]}
SKIPPED = {"name": "attrs", "skip_reason": "not found"}


def audited(folder: Path, answers: dict[str, list[dict[str, Any]] | None]) -> subprocess.CompletedProcess[str]:
    """The command, where sources give these answers, and where None means that one cannot be reached."""
    for source, packages in answers.items():
        if packages is not None:
            (folder / f"{source}.json").write_text(json.dumps({"dependencies": packages, "fixes": []}))
    tool = folder / "pip-audit"
    tool.write_text(
        f"""#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in --vulnerability-service) source=$2;; --output) to=$2;; esac
  shift
done
cp "{folder}/$source.json" "$to" 2>/dev/null || {{ echo "Failed to resolve" >&2; exit 1; }}
"""
    )
    tool.chmod(0o755)
    variables = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    words = [sys.executable, str(ROOT / "release/audit.py")]
    return subprocess.run(words, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("osv", "pypi", "code", "sentence"),
    [
        ([GOOD], None, 0, "osv: 0 of 1 packages have known vulnerabilities"),
        (None, [GOOD], 0, "pypi: 0 of 1 packages have known vulnerabilities"),
        ([GOOD, BAD], None, 1, "urllib3 2.8.0: GHSA-1, fixed in 2.8.1"),
        ([GOOD, SKIPPED], None, 3, "attrs: not asked about: not found"),
        (None, [SKIPPED], 3, "This says nothing about vulnerabilities"),
        (None, None, 3, "This says nothing about vulnerabilities"),
    ],
    ids=["none", "second source", "one known", "one skipped", "all skipped", "unreachable"],
)
def test_audit_says_what_is_known_and_what_could_not_be_asked(
    tmp_path: Path, osv: list[dict[str, Any]] | None, pypi: list[dict[str, Any]] | None, code: int, sentence: str
) -> None:
    ran = audited(tmp_path, {"osv": osv, "pypi": pypi})
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert sentence in ran.stdout + ran.stderr
    assert ("0 of" in ran.stdout) <= (code == 0 or bool(osv))
