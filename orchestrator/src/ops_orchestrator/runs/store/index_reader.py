"""What is asked of an index of runs that is kept in tables of SQL, whichever database has them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from statistics import median
from typing import Any, Final

from ops_contract import Problem
from ops_orchestrator.errors import InvalidRequestError
from ops_orchestrator.runs.run_filter import EVERY_RUN, RunFilter
from ops_orchestrator.runs.store.index_rows import EVERY_TAG, page_query, read_summary, tag_of, tags_in
from ops_orchestrator.runs.store.listed_run import CallCounts, IndexedRun, Position, Repeats

_MOST_COUNTED: Final = 5000
_HOW_MANY: Final = "SELECT count(*) FROM (SELECT 1 FROM tagged WHERE tag = ? LIMIT ?) AS found"
_REPEATS: Final = """
SELECT count(*), count(DISTINCT result) FROM (SELECT result FROM runs WHERE recipe = ? AND result IS NOT NULL LIMIT ?) AS found
"""
_CALLS: Final = "SELECT count(*), count(CASE WHEN failed = 1 THEN 1 END) FROM calls WHERE module = ?"
_TOOK: Final = """
SELECT CAST(took_us AS BIGINT) FROM calls WHERE module = ? AND took_us IS NOT NULL ORDER BY run_id DESC, step DESC LIMIT ?
"""
_LAST_CALLS: Final = "SELECT run_id, step FROM calls WHERE module = ? ORDER BY run_id DESC, step DESC LIMIT ?"
_MOST_FOR_A_MEDIAN: Final = 1000
_LATER: Final = "SELECT min({name}) FROM runs WHERE {name} {comparison} ?"


class IndexReader(ABC):
    """Reads the tables of index_rows, in whatever database a subclass has them. See RunIndex."""

    @abstractmethod
    def _rows(self, query: str, parameters: Sequence[object]) -> list[Any]:
        """The rows that a query finds, with `?` for each of its parameters. Raises StoreError."""

    def run_ids(self, status: str | None = None) -> set[str]:
        """See RunIndex."""
        if status is None:
            return {run_id for (run_id,) in self._rows("SELECT run_id FROM runs", ())}
        return {run_id for (run_id,) in self._rows("SELECT run_id FROM tagged WHERE tag = ?", (tag_of("status", status),))}

    def page(self, limit: int, where: RunFilter = EVERY_RUN, after: Position | None = None) -> list[IndexedRun]:
        """See RunIndex."""
        fingerprint = where.fingerprint and self._whole_fingerprint(where.fingerprint)
        if fingerprint == "":
            return []
        tags = self._rarest_first(tags_in(where, fingerprint)) or [EVERY_TAG]
        rows = self._rows(*page_query(tags, limit, where, after))
        found = ((Position(started_us, run_id), read_summary(text), version) for started_us, run_id, text, version in rows)
        return [IndexedRun(position, summary, version) for position, summary, version in found if summary is not None]

    def repeats(self, recipe: str) -> Repeats:
        """See RunIndex."""
        [(runs, results)] = self._rows(_REPEATS, (recipe, _MOST_COUNTED))
        return Repeats(runs, results)

    def calls(self, module: str) -> CallCounts:
        """See RunIndex."""
        tag = tag_of("module", module)
        [(calls, failed)] = self._rows(_CALLS, (tag,))
        took_us = [took for (took,) in self._rows(_TOOK, (tag, _MOST_FOR_A_MEDIAN))]
        return CallCounts(calls, failed, median(took_us) / 1_000_000 if took_us else None)

    def last_calls(self, module: str, limit: int) -> list[tuple[str, int]]:
        """See RunIndex."""
        return self._rows(_LAST_CALLS, (tag_of("module", module), limit))

    def unknown(self, run_ids: Sequence[str]) -> list[str]:
        """Those of `run_ids` that are not in the index."""
        places = ", ".join("?" for _ in run_ids)
        query = f"SELECT run_id FROM runs WHERE run_id IN ({places})"  # noqa: S608  # places alone
        known = {run_id for (run_id,) in self._rows(query, run_ids)}
        return [run_id for run_id in run_ids if run_id not in known]

    def _whole_fingerprint(self, beginning: str) -> str:
        """The fingerprint that begins so, nothing when there is none. Raises InvalidRequestError when there are several."""
        after = f"{beginning}g"
        first = self._fingerprints(">=", beginning)
        found = {value for value in first if value < after}
        found |= {value for each in found for value in self._fingerprints(">", each) if value < after}
        if len(found) > 1:
            problem = Problem("fingerprint", f"{beginning!r} is the beginning of several; write more of it")
            raise InvalidRequestError("A filter cannot be used.", [problem])
        return "".join(found)

    def _fingerprints(self, comparison: str, value: str) -> set[str]:
        """The first recipe and the first result fingerprint that compare so with `value`."""
        queries = [_LATER.format(name=name, comparison=comparison) for name in ("recipe", "result")]
        return {found for query in queries for (found,) in self._rows(query, (value,)) if found is not None}

    def _rarest_first(self, tags: Sequence[int]) -> list[int]:
        """The tags, those of the fewest runs first: the runs of the first one are looked at one after another."""
        if len(tags) < 2:
            return list(tags)
        return sorted(tags, key=lambda tag: self._rows(_HOW_MANY, (tag, _MOST_COUNTED))[0])
