"""How to cite a run: as a sentence, for BibTeX, and as CITATION.cff."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

import yaml

from ops_orchestrator.excerpt import excerpt, one_line
from ops_orchestrator.runs.import_damage import import_damage
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.reports.ended_run import ended_record
from ops_orchestrator.runs.store.protocols import StoredRun
from ops_orchestrator.runs.synthetic import synthetic_sources

NO_AUTHOR: Final = "Author not stated"
"""Stands in the place of the author, whom a run does not record."""

_SHOWN_DIGITS: Final = 12
_LONGEST_VERSION: Final = 100
# Braces are counted by BibTeX even after a backslash.
_IN_TEX: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\textbraceleft{}",
    "}": r"\textbraceright{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: f"\\{character}" for character in "&%$#_"},
}


@dataclass(frozen=True)
class Citation:
    """What a citation of a run names. All of it is one line of printable text; `modules` have their versions."""

    author: str
    run_id: str
    scenario_id: str
    status: str
    date: datetime
    orchestrator: str
    modules: tuple[str, ...]
    recipe: str | None
    result: str | None
    is_synthetic: bool
    was_damaged: bool = False

    @classmethod
    def of(cls, run: StoredRun, author: str = "", *, known: tuple[RunRecord, Results] | None = None) -> Self:
        """The citation of `run`, which `author` had executed; `known` is what was read of it already.

        Raises ConflictError for a run that is not over, StoreError.
        """
        record, results = known or (ended_record(run, "a citation"), run.results())
        modules = dict.fromkeys((step.module, step.module_version) for step in record.steps)
        return cls(
            author=one_line(author) or NO_AUTHOR,
            run_id=record.run_id,
            scenario_id=one_line(record.scenario_id),
            status=record.status,
            date=datetime.fromisoformat(record.finished_at or record.started_at).astimezone(UTC),
            orchestrator=_orchestrator(record.versions),
            modules=tuple(_versioned(name, version) for name, version in modules),
            recipe=record.fingerprints.recipe,
            result=record.fingerprints.result,
            is_synthetic=is_synthetic(record, results),
            was_damaged=bool(import_damage(run)),
        )

    def as_text(self) -> str:
        """A sentence or two, for a list of references."""
        return f"{self.author} ({self.date:%Y}). {self._title}. {self._made_by} {self._found(_SHOWN_DIGITS)}"

    def as_bibtex(self) -> str:
        """An entry for BibTeX. Its key is the run id."""
        fields = {
            "author": f"{{{_in_tex(self.author)}}}",
            "title": f"{{{_in_tex(self._title)}}}",
            "year": f"{self.date:%Y}",
            "month": f"{self.date.month}",
            "howpublished": _in_tex(self.orchestrator),
            "note": _in_tex(f"{self._made_by} {self._found()}"),
        }
        lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
        return f"@misc{{{self.run_id},\n{lines}}}"

    def as_cff(self) -> str:
        """The content of a CITATION.cff in version 1.2.0 of the format."""
        identifiers = {"run id": self.run_id, "recipe fingerprint": self.recipe, "result fingerprint": self.result}
        document: dict[str, Any] = {
            "cff-version": "1.2.0",
            "message": "If you use this run, please cite it as below.",
            "type": "dataset",
            "title": self._title,
            "authors": [{"name": self.author}],
            "abstract": f"{self._made_by} {self._found()}",
            "date-released": f"{self.date:%Y-%m-%d}",
            "identifiers": [
                {"type": "other", "value": value if name == "run id" else f"sha256:{value}", "description": name}
                for name, value in identifiers.items()
                if value is not None
            ],
        }
        return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)).rstrip()

    @property
    def _title(self) -> str:
        return f"Run {self.run_id} of the scenario {self.scenario_id}"

    @property
    def _made_by(self) -> str:
        return f"Made on {self.date:%Y-%m-%d} by {self.orchestrator} with {', '.join(self.modules)}."

    def _found(self, digits: int | None = None) -> str:
        """What came of it; `digits` are shown of each fingerprint, all with None."""
        known = {"recipe": self.recipe, "result": self.result}
        named = [f"{name} {value[:digits]}" for name, value in known.items() if value]
        sentences = [
            "" if self.status == "completed" else f"The run did not complete: it is {self.status}.",
            f"SHA-256 fingerprints: {', '.join(named)}." if named else "",
            "The figures are synthetic, at least in part." if self.is_synthetic else "",
            "The copy of the run was not intact when it was imported." if self.was_damaged else "",
        ]
        return " ".join(filter(None, sentences))


def is_synthetic(record: RunRecord, results: Results) -> bool:
    """Are some of the figures of a run made up, or do they rest on what is?"""
    return bool(synthetic_sources(record, results))


def _orchestrator(versions: dict[str, str | None]) -> str:
    contract = versions.get("contract")
    named = _versioned("the OpenPolicyStack orchestrator", versions.get("orchestrator"))
    return f"{named} (contract {one_line(contract)})" if contract else named


def _versioned(name: str, version: str | None) -> str:
    known = one_line(excerpt(version, _LONGEST_VERSION)) if version else "in an unknown version"
    return f"{one_line(name)} {known}"


def _in_tex(text: str) -> str:
    return "".join(_IN_TEX.get(character, character) for character in text)
