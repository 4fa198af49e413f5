"""Checks the licences of all dependencies against licences.toml, and lists them: `make licences`.

Exit codes: 0 all are allowed, 1 some are not, or their licence is not known.
"""

import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any, Final

from license_expression import ExpressionError, get_spdx_licensing
from locked import ROOT, third_parties

LIST: Final = "release/licences.toml"
_SPDX: Final = get_spdx_licensing()


@dataclass(frozen=True)
class Rules:
    """What licences.toml says: allowed names, the licences of packages by name, and names by wording."""

    shipped: frozenset[str]
    development: frozenset[str]
    stated: dict[str, str]
    wordings: dict[str, str]


def rules() -> Rules:
    """Read licences.toml."""
    found = tomllib.loads((ROOT / LIST).read_text(encoding="utf-8"))
    shipped = frozenset(found["shipped"])
    return Rules(shipped, shipped | frozenset(found["development"]), found["stated"], found["wordings"])


def licence_of(name: str, known: Rules) -> str | None:
    """The SPDX expression of an installed package, or of one that is stated; None when nothing says it clearly."""
    if name in known.stated:
        return known.stated[name]
    try:
        fields = metadata(name)
    except PackageNotFoundError:
        return None
    classifiers = [text.rpartition(" :: ")[2] for text in fields.get_all("Classifier", []) if text.startswith("License ::")]
    first_line = (fields["License"] or "").partition("\n")[0]
    wordings: list[str | None] = [fields["License-Expression"], first_line, classifiers[0] if len(classifiers) == 1 else None]
    for wording in filter(None, wordings):
        expression = known.wordings.get(wording, wording)
        if _is_expression(expression):
            return expression
    return None


def _is_expression(text: str) -> bool:
    try:
        _SPDX.parse(text, validate=True)
    except ExpressionError:
        return False
    return True


def allowed(expression: str, names: frozenset[str]) -> bool:
    """Does the expression leave a choice of licences that are all in `names`?"""
    return _holds(_SPDX.parse(expression), names)


def _holds(node: Any, names: frozenset[str]) -> bool:
    if isinstance(node, _SPDX.OR):
        return any(_holds(part, names) for part in node.args)
    if isinstance(node, _SPDX.AND):
        return all(_holds(part, names) for part in node.args)
    return str(node) in names


def findings(known: Rules) -> list[str]:
    """What is wrong, a sentence each."""
    shipped, everything = third_parties(development=False), third_parties(development=True)
    wrong = []
    for name, versions in sorted(everything.items()):
        expression = licence_of(name, known)
        subject = f"{name} {' and '.join(sorted(versions))}"
        if expression is None:
            wrong.append(f"{subject}: its metadata names no licence; read its text, and say it under [stated] in {LIST}")
        elif not allowed(expression, known.shipped if name in shipped else known.development):
            wrong.append(f"{subject}: {expression} is not among the licences that {LIST} allows for what it is used for")
    stale = sorted({*known.stated} - {*everything})
    return wrong + [f"{name}: {LIST} states its licence, but uv.lock has no such package" for name in stale]


def main() -> int:
    """Print each package with its licence, or what is wrong; returns the exit code."""
    known = rules()
    for name, versions in sorted(third_parties(development=False).items()):
        sys.stdout.write(f"{name:<24} {' '.join(sorted(versions)):<16} {licence_of(name, known) or 'unknown'}\n")
    wrong = findings(known)
    for sentence in wrong:
        sys.stderr.write(f"licences: {sentence}\n")
    if not wrong:
        sys.stdout.write("licences: all are allowed, those of the tools of development too\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
