"""The proof that no probe of the kit is superfluous: a kit that lacks one entry of a list misses what the whole kit finds.

For each entry, the requests are found that are sent because of it alone. An accomplice is a stub that keeps the contract except
in its answers to these: the whole kit has to find it, and the shortened kit cannot. An entry by which answers are judged adds
no request; the shortened kit then misses one of the requirements, or variants, that a stub breaks.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import pytest
from accomplice import LIES, MOST_BEFORE
from local_service import ROOT, environment
from shortened_kit import Shortening, checks_that_use, shortenings

from ops_contract.compliance.check import CHECKS
from ops_contract.compliance.requirement import ids_of, load_requirements
from ops_stubs.faults import VARIANTS, VIOLATIONS

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1200)]

AT_ONCE: Final = 2
TAKES_SECONDS: Final = ("OPS-HLT-003", "OPS-HLT-004", "OPS-DET-003", "OPS-LIM-002", "OPS-LIM-003", "OPS-IDM-003")
"""What is measured in seconds, or with very large bodies; no list of probes is for these alone."""

NO_PROBES: Final[Mapping[str, str]] = {
    "every_answer._EXPECTED": "words of the report",
    "mutants._UNKNOWN": "a name and its value",
}
"""By name, why a list of constants holds no probes."""

Stub = dict[str, Any]


@dataclass
class Kits:
    """Runs kits in processes of their own, a few at a time."""

    idle: SimpleQueue[subprocess.Popen[str]] = field(default_factory=SimpleQueue)
    whole: dict[tuple[str, ...], Any] = field(default_factory=dict)

    def run(self, without: Shortening | None, stubs: Collection[Stub], **until: bool) -> list[Any]:
        """What the kit sent to each of these stubs, and reports of it."""
        trial = {"without": asdict(without) if without else None, "stubs": list(stubs), **until}
        process = self.idle.get()
        try:
            process.stdin.write(f"{json.dumps(trial)}\n")  # type: ignore[union-attr]  # piped
            process.stdin.flush()  # type: ignore[union-attr]
            found = json.loads(process.stdout.readline())  # type: ignore[union-attr]
        finally:
            self.idle.put(process)
        assert "error" not in found, f"{without}: {found}"
        return list(found)

    def of_honest(self, select: tuple[str, ...]) -> Any:
        """What the whole kit sends to a stub that keeps the contract."""
        if select not in self.whole:
            (self.whole[select],) = self.run(None, [{"select": select}])
        return self.whole[select]


@pytest.fixture(scope="module")
def kits() -> Iterator[Kits]:
    found = Kits()
    words = [sys.executable, str(Path(ROOT, "tests/kit_trials.py"))]
    with ExitStack() as started:
        for _ in range(AT_ONCE):
            process = subprocess.Popen(words, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            found.idle.put(started.enter_context(process))
            started.callback(process.stdin.close)  # type: ignore[union-attr]  # it ends with its input
        yield found


def selected(shortening: Shortening) -> tuple[str, ...]:
    """The requirements that checks which use the list look at."""
    ids = {one for name in checks_that_use(shortening.file, CHECKS) for one in ids_of(name)}
    profiles = load_requirements()
    return tuple(sorted(one for one in ids if one not in TAKES_SECONDS and profiles[one].profile != "container"))


def only_of_the_whole(whole: Any, shortened: Any) -> tuple[int, dict[str, int]]:
    """The requests that only the whole kit sends, with their statuses, told apart by as few before them as it takes."""
    for before in range(MOST_BEFORE + 1):
        sent = {one["digests"][before]: one["status"] for one in whole["sent"]}
        for one in shortened["sent"]:
            sent.pop(one["digests"][before], None)
        if sent:
            return before, sent
    return 0, {}


def how_caught(kits: Kits, shortening: Shortening) -> str | None:
    """Which stub the whole kit finds and the shortened one does not; None when there is none."""
    select = selected(shortening)
    (shortened,) = kits.run(shortening, [{"select": select}])
    if shortened["reported"]:
        return f"honest: {shortened['reported']}"
    before, added = only_of_the_whole(kits.of_honest(select), shortened)
    return (added and _accomplice(kits, shortening, before, added)) or _of_a_violation(kits, shortening, select)


def _accomplice(kits: Kits, shortening: Shortening, before: int, added: Mapping[str, int]) -> str | None:
    select = selected(shortening)
    stubs = [{"about": list(added), "before": before, "lie": lie, "select": select} for lie in LIES]
    *_, found = told = kits.run(None, stubs, until_reported=True)
    stub = stubs[len(told) - 1]
    if not found["reported"]:
        return None
    (shortened,) = kits.run(shortening, [stub | {"select": list(found["reported"])}])
    if shortened["reported"]:
        return None
    return f"accomplice that {stub['lie']} ({len(added)} requests, {before} before): {', '.join(found['reported'])}"


def _of_a_violation(kits: Kits, shortening: Shortening, select: Collection[str]) -> str | None:
    names = [name for name in (*VARIANTS, *VIOLATIONS) if name.partition(":")[0] in select]
    stubs = [{"violate": [name], "select": [name.partition(":")[0]]} for name in names]
    *_, found = told = kits.run(shortening, stubs, until_reported=False)
    return None if found["reported"] else f"violation {names[len(told) - 1]}"


def test_kit_sends_the_same_requests_again(kits: Kits) -> None:
    select = tuple(sorted(one for one in load_requirements() if one not in TAKES_SECONDS))
    twice = [kits.run(None, [{"select": select}])[0] for _ in range(2)]
    assert only_of_the_whole(*twice) == (0, {})


def test_each_entry_of_a_list_of_probes_is_needed(kits: Kits, tell_score: Callable[[str], None]) -> None:
    every = [one for one in shortenings() if f"{one.file}.{one.name}" not in NO_PROBES]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        caught = dict(zip(every, threads.map(lambda one: how_caught(kits, one), every), strict=True))
    missed = [str(one) for one, how in caught.items() if how is None]
    tell_score(f"{len(every) - len(missed)}/{len(every)} mutants that shorten a list of probes caught")
    assert missed == []
