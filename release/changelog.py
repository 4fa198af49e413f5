"""Prints a version's section of the changelog, as the text of its release: `make release-notes V=1.2.3`.

Without a version, it is what is not released yet. Lines of a paragraph are joined, since a release page keeps line ends.
"""

import re
import sys
from datetime import date
from typing import Final

from locked import ROOT

CHANGELOG: Final = "CHANGELOG.md"
UNRELEASED: Final = "Unreleased"


def sections() -> dict[str, str]:
    """The text of each section by its version."""
    text = (ROOT / CHANGELOG).read_text(encoding="utf-8")
    _, *parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return {heading.split(" ")[0].strip("[]"): body.strip() for heading, body in zip(parts[::2], parts[1::2], strict=True)}


def released(version: str, day: date) -> str:
    """The changelog, in which what was not released is the section of `version`."""
    found = sections()
    if version in found:
        sys.exit(f"changelog: {CHANGELOG} has a section {version} already")
    if not found.get(UNRELEASED):
        sys.exit(f"changelog: {CHANGELOG} has nothing under {UNRELEASED} that could be released")
    text = (ROOT / CHANGELOG).read_text(encoding="utf-8")
    return text.replace(f"## {UNRELEASED}\n", f"## {UNRELEASED}\n\n## {version} - {day}\n", 1)


def joined(text: str) -> str:
    """The text with each paragraph and each point of a list on one line."""
    return re.sub(r"(?<=\S)\n *(?=[^\s#|-])", " ", text)


def main() -> int:
    """Print the section that is named; returns the exit code."""
    name = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] else UNRELEASED
    found = sections()
    if not found.get(name):
        there = ", ".join(heading for heading, body in found.items() if body)
        sys.stderr.write(f"changelog: {CHANGELOG} says nothing about {name}; it has sections for {there or 'no version'}\n")
        return 1
    sys.stdout.write(joined(found[name]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
