"""The index of folders that nobody lists: what is written there is not in place before it is in the bucket."""

from collections.abc import Iterable

from ops_orchestrator.runs.run_filter import EVERY_RUN, RunFilter
from ops_orchestrator.runs.store.listed_run import CallCounts, IndexedRun, ListedRun, Position, ReadRun, Repeats


class Unlisted:
    """Knows no run, and learns of none. See RunIndex."""

    is_complete = True

    def wait_until_complete(self, seconds: float) -> bool:  # noqa: ARG002  # see RunIndex
        """See RunIndex."""
        return True

    def put(self, runs: Iterable[ListedRun]) -> None:
        """See RunIndex."""

    def learn(self, runs: Iterable[ReadRun]) -> None:
        """See RunIndex."""

    def drop(self, run_ids: Iterable[str]) -> None:
        """See RunIndex."""

    def run_ids(self, status: str | None = None) -> set[str]:  # noqa: ARG002  # see RunIndex
        """See RunIndex."""
        return set()

    def page(self, limit: int, where: RunFilter = EVERY_RUN, after: Position | None = None) -> list[IndexedRun]:  # noqa: ARG002
        """See RunIndex."""
        return []

    def repeats(self, recipe: str) -> Repeats:  # noqa: ARG002  # see RunIndex
        """See RunIndex."""
        return Repeats(0, 0)

    def calls(self, module: str) -> CallCounts:  # noqa: ARG002  # see RunIndex
        """See RunIndex."""
        return CallCounts(0, 0, None)

    def last_calls(self, module: str, limit: int) -> list[tuple[str, int]]:  # noqa: ARG002  # see RunIndex
        """See RunIndex."""
        return []

    def claim(self, key_sha256: str, run_id: str) -> str | None:  # noqa: ARG002  # see RunIndex
        """See RunIndex."""
        return run_id

    def release(self, key_sha256: str, run_id: str) -> None:
        """See RunIndex."""

    def close(self) -> None:
        """See RunIndex."""
