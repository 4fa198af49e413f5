"""The version of all packages, which stands in several files: `make version V=1.2.3`, and `DATE=2026-01-09` for a release.

Without a version it prints the one that there is, and fails when files disagree. With a version it writes that one to all of
them, and with a date it makes what the changelog calls "Unreleased" the section of that version.
"""

import argparse
import re
import subprocess
import sys
from datetime import date
from typing import Final

from changelog import CHANGELOG, released
from locked import PACKAGES, ROOT, UV

_FORM: Final = r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?"
_PACKAGE: Final = (rf'^version = "({_FORM})"$', rf'"openpolicystack-[a-z]+==({_FORM})"')
PLACES: Final = {f"{package}/pyproject.toml": _PACKAGE for package in PACKAGES} | {
    "CITATION.cff": (rf"^version: ({_FORM})$",),
    "Dockerfile": (rf"^ARG VERSION=({_FORM})$",),
    "deploy/kubernetes/images/kustomization.yaml": (rf"^    newTag: ({_FORM})$",),
    "deploy/swarm/stack.yaml": (rf":-openpolicystack-[a-z]+:({_FORM})\}}",),
    "uv.lock": (rf'^name = "openpolicystack-[a-z]+"\nversion = "({_FORM})"$',),
}
"""Files with the version, and how it stands there. The first form of each stands at least once."""


def main() -> int:
    """Print or write the version; returns the exit code."""
    given = _arguments()
    if given.version is None:
        return _print()
    if not re.fullmatch(_FORM, given.version):
        sys.stderr.write(f"version: {given.version!r} is not a version such as 1.2.3 or 1.2.3rc1\n")
        return 2
    for name in PLACES:
        if name != "uv.lock":
            _write(name, given.version)
    if given.date:
        (ROOT / CHANGELOG).write_text(released(given.version, given.date), encoding="utf-8")
        _write_date(given.date)
    subprocess.run([UV, "lock", "--quiet"], cwd=ROOT, check=True)
    return _print()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="version", description="Print or write the version of all packages.")
    parser.add_argument("version", nargs="?")
    parser.add_argument("--date", type=date.fromisoformat, help="when it is released; heads its section of the changelog")
    return parser.parse_args()


def _print() -> int:
    found: dict[str, list[str]] = {}
    for name, forms in PLACES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        versions = {version for form in forms for version in re.findall(form, text, re.MULTILINE)}
        for version in versions or {"no version"}:
            found.setdefault(version, []).append(name)
    if len(found) == 1:
        sys.stdout.write(f"{next(iter(found))}\n")
        return 0
    for version, names in found.items():
        sys.stderr.write(f"version: {version} in {', '.join(names)}\n")
    sys.stderr.write("version: files disagree; write one everywhere with make version V=1.2.3\n")
    return 1


def _write(name: str, version: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for form in PLACES[name]:
        text = re.sub(form, lambda match: match[0].replace(match[1], version), text, flags=re.MULTILINE)
    (ROOT / name).write_text(text, encoding="utf-8")


def _write_date(day: date) -> None:
    file = ROOT / "CITATION.cff"
    text = re.sub(r"^date-released: .*\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    file.write_text(re.sub(r"^(version: .*\n)", rf"\1date-released: {day}\n", text, flags=re.MULTILINE), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
