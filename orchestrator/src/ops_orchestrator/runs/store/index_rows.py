"""A run as rows of the index: what is listed of it, and the tags that it is found by.

A tag is everything that a filter can ask for, such as `status=failed`. The table of tags is the only one that lists are read
from: within a tag the runs are in the order of the list, and a run with several tags stands there once for each.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Protocol, Self

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from ops_orchestrator.runs.record import RunRecord, StepRecord
from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.run_summary import RunSummary
from ops_orchestrator.runs.store.listed_run import ListedRun, Position

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS runs (
    run_id TEXT PRIMARY KEY, started_us INTEGER NOT NULL, status TEXT NOT NULL, recipe TEXT, result TEXT,
    idempotency_key TEXT, version TEXT, summary TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS recipes ON runs (recipe) WHERE recipe IS NOT NULL;
CREATE INDEX IF NOT EXISTS results ON runs (result) WHERE result IS NOT NULL;
CREATE TABLE IF NOT EXISTS tagged ( -- with other tags, another text: an index is made again when this one changes
    tag INTEGER NOT NULL, started_us INTEGER NOT NULL, run_id TEXT NOT NULL, PRIMARY KEY (tag, started_us, run_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calls ( -- the steps that are over, by the tag of their module; took_us is of completed ones alone
    module INTEGER NOT NULL, run_id TEXT NOT NULL, step INTEGER NOT NULL, failed INTEGER NOT NULL, took_us INTEGER,
    PRIMARY KEY (module, run_id, step)
) WITHOUT ROWID;
"""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_KNOWN: Final = "SELECT version, started_us, summary, idempotency_key FROM runs WHERE run_id = ?"
_PUT: Final = """
INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run_id) DO UPDATE SET started_us = excluded.started_us,
status = excluded.status, recipe = excluded.recipe, result = excluded.result, idempotency_key = excluded.idempotency_key,
version = excluded.version, summary = excluded.summary
"""
_TAG: Final = "INSERT INTO tagged VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_UNTAG: Final = "DELETE FROM tagged WHERE tag = ? AND started_us = ? AND run_id = ?"
_CALL: Final = """
INSERT INTO calls VALUES (?, ?, ?, ?, ?)
ON CONFLICT (module, run_id, step) DO UPDATE SET failed = excluded.failed, took_us = excluded.took_us
"""
_UNCALL: Final = "DELETE FROM calls WHERE module = ? AND run_id = ?"
_CALLED: Final = ("completed", "failed", "interrupted")
_ORIGINS: Final = ("reproduces", "sweep")
_FIRST: Final = -(2**63)
_LAST: Final = (2**63 - 1, "")
_PAGE: Final = """
SELECT t.started_us, t.run_id, r.summary, r.version FROM tagged t CROSS JOIN runs r
WHERE r.run_id = t.run_id AND t.tag = ? AND (t.started_us, t.run_id) < (?, ?) AND t.started_us >= ? {conditions}
ORDER BY t.started_us DESC, t.run_id DESC LIMIT ?
"""
_HAS: Final = "AND EXISTS (SELECT 1 FROM tagged o WHERE o.tag = ? AND o.started_us = t.started_us AND o.run_id = t.run_id)"


class Statements(Protocol):
    """What takes statements of SQL as SQLite and PostgreSQL both know it, with `?` for each parameter."""

    def execute(self, query: str, parameters: Sequence[Any] = ..., /) -> Any:
        """Execute one; what it found is fetched from what is returned."""
        ...

    def executemany(self, query: str, parameters: Iterable[Sequence[Any]], /) -> Any:
        """Execute one for each of `parameters`."""
        ...


@dataclass(frozen=True)
class Row:
    """A run in the index. `started_us` is in microseconds since 1970, and `calls` are rows of the table of that name."""

    run_id: str
    started_us: int
    summary: Mapping[str, Any]
    idempotency_key: str | None
    version: str | None
    calls: Sequence[tuple[object, ...]] = ()

    @classmethod
    def of(cls, run: ListedRun, version: str | None) -> Self:
        """The row of a run, which was read from this version of its folder."""
        calls = _calls_of(run) if isinstance(run, RunRecord) else ()
        return cls(run.run_id, _microseconds(run.started_at), run.summary(), run.idempotency_key, version, calls)

    def values(self) -> tuple[object, ...]:
        """The columns of the table of runs."""
        fingerprints = self.summary["fingerprints"]
        return (
            self.run_id,
            self.started_us,
            self.summary["status"],
            fingerprints["recipe"],
            fingerprints["result"],
            self.idempotency_key,
            self.version,
            to_json(self.summary).decode(),
        )


def put(connection: Statements, rows: Iterable[Row]) -> None:
    """Add runs, or replace what is known of them."""
    for row in rows:
        _write(connection, row, _known(connection, row.run_id))


def learn(connection: Statements, rows: Iterable[tuple[Row, str | None]]) -> None:
    """As `put`, but each run only if the version beside it is still the one that is known, None for a run that is not."""
    for row, before in rows:
        known = _known(connection, row.run_id)
        if (known and known[0]) == before:
            _write(connection, row, known)


def drop(connection: Statements, run_id: str) -> str | None:
    """Remove a run from the index; returns its idempotency key."""
    known = _known(connection, run_id)
    if known is None:
        return None
    connection.executemany(_UNTAG, ((tag, known[1], run_id) for tag in _tags_in_row(known[2])))
    connection.executemany(_UNCALL, ((module, run_id) for module in _modules_in_row(known[2])))
    connection.execute("DELETE FROM runs WHERE run_id = ?", (run_id,))
    return str(known[3]) if known[3] is not None else None


def _known(connection: Statements, run_id: str) -> Any:
    return connection.execute(_KNOWN, (run_id,)).fetchone()


def _write(connection: Statements, row: Row, known: Any) -> None:
    before = {(tag, known[1], row.run_id) for tag in _tags_in_row(known[2])} if known else set()
    now = {(tag, row.started_us, row.run_id) for tag in tags_of(row.summary)}
    connection.execute(_PUT, row.values())
    connection.executemany(_UNTAG, before - now)
    connection.executemany(_TAG, now - before)
    if known:
        connection.executemany(_UNCALL, ((module, row.run_id) for module in _modules_in_row(known[2])))
    connection.executemany(_CALL, row.calls)


def _calls_of(record: RunRecord) -> list[tuple[object, ...]]:
    """The steps that are over, as rows of the table of calls."""
    return [
        (
            tag_of("module", step.module),
            record.run_id,
            step.step,
            int(step.status == "failed"),
            _took_us(step) if step.status == "completed" else None,
        )
        for step in record.steps
        if step.status in _CALLED
    ]


def _took_us(step: StepRecord) -> int | None:
    if step.started_at is None or step.finished_at is None:
        return None
    return max(_microseconds(step.finished_at) - _microseconds(step.started_at), 0)


def page_query(tags: Sequence[int], limit: int, where: RunFilter, after: Position | None) -> tuple[str, tuple[int | str, ...]]:
    """A query for the rows of a page, and its parameters: the runs of the first tag are looked at, in order."""
    first, *others = tags
    before = min(
        (after.started_us, after.run_id) if after else _LAST,
        (microseconds(where.until), "") if where.until else _LAST,
    )
    since = microseconds(where.since) if where.since else _FIRST
    return _PAGE.format(conditions=" ".join(_HAS for _ in others)), (first, *before, since, *others, limit)


def read_summary(text: str) -> RunSummary | None:
    """The summary of a row; None when the row is not one of ours."""
    try:
        return RunSummary.model_validate_json(text)
    except ValidationError:
        return None


def tags_of(summary: Mapping[str, Any]) -> set[int]:
    """Everything that a run with this summary is found by."""
    scenario, labels = summary["scenario_id"], summary["labels"]
    return {
        EVERY_TAG,
        tag_of("status", summary["status"]),
        *([tag_of("scenario", scenario)] if scenario is not None else ()),
        *(tag_of("module", name) for name in summary["modules"]),
        *(tag_of("label", key) for key in labels),
        *(tag_of("label", key, value) for key, value in labels.items()),
        *(tag_of(name, summary[name]) for name in _ORIGINS if name in summary),
        *(() if "sweep" in summary else (_OUTSIDE_SWEEPS,)),
        *(tag_of("fingerprint", value) for value in summary["fingerprints"].values() if value is not None),
    }


def _tags_in_row(text: str) -> set[int]:
    """The tags of a row that is there already; none when it is not one of ours."""
    try:
        return tags_of(from_json(text))
    except (ValueError, LookupError, TypeError, AttributeError):
        return set()


def _modules_in_row(text: str) -> set[int]:
    """The tags of the modules of a row that is there already; none when it is not one of ours."""
    try:
        return {tag_of("module", name) for name in from_json(text)["modules"]}
    except (ValueError, LookupError, TypeError, AttributeError):
        return set()


def tags_in(where: RunFilter, fingerprint: str | None) -> list[int]:
    """What all runs have that `where` accepts; `fingerprint` is the whole one that it names the beginning of."""
    given = (
        ("status", where.status),
        ("scenario", where.scenario_id),
        ("module", where.module),
        ("fingerprint", fingerprint),
        *((name, getattr(where, name)) for name in _ORIGINS),
    )
    labels = (tag_of("label", key) if value is None else tag_of("label", key, value) for key, value in where.labels)
    outside = (_OUTSIDE_SWEEPS,) if where.outside_sweeps else ()
    return [*(tag_of(kind, value) for kind, value in given if value is not None), *labels, *outside]


@lru_cache(maxsize=4096)
def tag_of(*parts: str) -> int:
    """A tag as a number: as text, the tags of all runs would take four times the room."""
    text = "\0".join(parts).encode(errors="surrogatepass")
    return int.from_bytes(sha256(text).digest()[:8], signed=True)


EVERY_TAG: Final = tag_of("run")
"""The tag of all runs."""

_OUTSIDE_SWEEPS: Final = tag_of("outside sweeps")


def microseconds(at: datetime) -> int:
    """A time in microseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def _microseconds(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return 0  # a damaged run whose id names no day of the calendar
    return microseconds(at if at.tzinfo else at.replace(tzinfo=UTC))


# Of an index, text comes before bytes and after numbers, so that a look at either end finds what does not belong there.
FOREIGN: Final = f"""
SELECT 1 FROM runs WHERE run_id >= x'' UNION ALL SELECT 1 FROM runs WHERE run_id < ''
UNION ALL SELECT 1 FROM tagged WHERE tag = {EVERY_TAG} AND started_us >= '' LIMIT 1
"""  # noqa: S608  # a number of ours
