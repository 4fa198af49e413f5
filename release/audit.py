"""Asks for known vulnerabilities of everything that is shipped, as uv.lock pins it: `make audit`.

Exit codes: 0 none is known of any package, 1 some are known, 3 not all packages could be asked about. A source of advisories
that cannot be reached is never taken for one that knows nothing.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from locked import exported

SOURCES: Final = ("osv", "pypi")
"""Whom pip-audit can ask, the wider one first."""
NOT_ASKED: Final = 3


def main() -> int:
    """Ask one source after another until one answers; returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder) / "requirements.txt"
        pinned.write_text(exported("--all-packages", "--no-dev", "--no-emit-workspace", form="requirements.txt"))
        for source in SOURCES:
            answered = _asked(source, pinned, Path(folder) / f"{source}.json")
            if answered is not None:
                return _conclude(source, answered)
    sys.stderr.write(
        "audit: not done, since no source of advisories could be reached from here. This says nothing about vulnerabilities; "
        "run make audit again with access to the internet.\n"
    )
    return NOT_ASKED


def _asked(source: str, pinned: Path, report: Path) -> list[dict[str, Any]] | None:
    """What the source says of each package; None when it knows none of them, or could not be asked."""
    line = ["pip-audit", "--requirement", str(pinned), "--disable-pip", "--vulnerability-service", source]
    line += ["--format", "json", "--output", str(report), "--progress-spinner", "off", "--timeout", "20"]
    ran = subprocess.run(line, capture_output=True, text=True, check=False)
    if not report.exists():
        sys.stderr.write(f"audit: {source}: {(ran.stderr.strip().splitlines() or ['no answer'])[-1][:300]}\n")
        return None
    found: list[dict[str, Any]] = json.loads(report.read_bytes())["dependencies"]
    if all("skip_reason" in package for package in found):
        sys.stderr.write(f"audit: {source}: knows none of the {len(found)} packages, as one that cannot be reached does\n")
        return None
    return found


def _conclude(source: str, found: list[dict[str, Any]]) -> int:
    skipped = [package for package in found if "skip_reason" in package]
    vulnerable = [package for package in found if package.get("vulns")]
    for package in vulnerable:
        for known in package["vulns"]:
            remedy = f"fixed in {', '.join(known['fix_versions'])}" if known.get("fix_versions") else "no version mends it"
            sys.stdout.write(f"audit: {package['name']} {package['version']}: {known['id']}, {remedy}\n")
    for package in skipped:
        sys.stderr.write(f"audit: {package['name']}: not asked about: {package['skip_reason']}\n")
    asked = len(found) - len(skipped)
    sys.stdout.write(f"audit: {source}: {len(vulnerable)} of {asked} packages have known vulnerabilities\n")
    if vulnerable:
        return 1
    return NOT_ASKED if skipped else 0


if __name__ == "__main__":
    sys.exit(main())
