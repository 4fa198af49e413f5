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
from accomplice import MOST_BEFORE, lies_about
from kit_selection import asked_for, requirement_of
from local_service import ROOT, environment
from shortened_kit import Shortening, checks_that_use, shortenings

from ops_contract.compliance.check import CHECKS
from ops_contract.compliance.requirement import ids_of, load_requirements
from ops_stubs.faults import VARIANTS, VIOLATIONS

pytestmark = [pytest.mark.proof, pytest.mark.timeout(3600)]

AT_ONCE: Final = 2
TAKES_SECONDS: Final = ("OPS-HLT-003", "OPS-HLT-004", "OPS-LIM-002", "OPS-LIM-003", "OPS-IDM-003")
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
    found: dict[tuple[str, ...], list[Stub]] = field(default_factory=dict)

    def run(self, without: Shortening | None, checks: Collection[str], stubs: Collection[Stub], **until: bool) -> list[Any]:
        """What these checks sent to each of the stubs, and report of it."""
        trial = {"without": asdict(without) if without else None, "checks": list(checks), "stubs": list(stubs), **until}
        process = self.idle.get()
        try:
            process.stdin.write(f"{json.dumps(trial)}\n")  # type: ignore[union-attr]  # piped
            process.stdin.flush()  # type: ignore[union-attr]
            found = json.loads(process.stdout.readline())  # type: ignore[union-attr]
        finally:
            self.idle.put(process)
        assert "error" not in found, f"{without}: {found}"
        return list(found)

    def of_honest(self, checks: tuple[str, ...]) -> Any:
        """What the whole kit sends to a stub that keeps the contract."""
        if checks not in self.whole:
            (self.whole[checks],) = self.run(None, checks, [{"select": looked_at(checks)}])
        return self.whole[checks]

    def found_by(self, checks: tuple[str, ...]) -> list[Stub]:
        """The stubs that break a requirement so that the whole kit reports it."""
        if checks not in self.found:
            names = [name for name in (*VARIANTS, *VIOLATIONS) if requirement_of(name) in looked_at(checks)]
            stubs: list[Stub] = [{"violate": [name], "select": list(asked_for(name))} for name in names]
            told = self.run(None, checks, stubs)
            self.found[checks] = [stub for stub, one in zip(stubs, told, strict=True) if one["broken"]]
        return self.found[checks]


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


def looked_at(checks: Collection[str]) -> tuple[str, ...]:
    """The requirements that these checks look at, those apart that take long."""
    ids = {one for name in checks for one in ids_of(name)}
    return tuple(sorted(one for one in ids if one not in TAKES_SECONDS and load_requirements()[one].profile != "container"))


def only_of_the_whole(whole: Any, shortened: Any, before: int) -> dict[str, int]:
    """The requests that only the whole kit sends, with their statuses, when they are told apart by so many before them."""
    sent = {one["digests"][before]: one["status"] for one in whole["sent"]}
    return {digest: sent[digest] for digest in sent.keys() - {one["digests"][before] for one in shortened["sent"]}}


def how_caught(kits: Kits, shortening: Shortening) -> str | None:
    """Which stub the whole kit finds and the shortened one does not; None when there is none."""
    checks = tuple(sorted(checks_that_use(shortening.file, CHECKS)))
    (shortened,) = kits.run(shortening, checks, [{"select": looked_at(checks)}])
    if shortened["reported"]:
        return f"honest: {shortened['reported']}"
    return _accomplice(kits, checks, shortened) or _of_a_violation(kits, checks, shortening)


def _accomplice(kits: Kits, checks: tuple[str, ...], shortened: Any) -> str | None:
    """The accomplice that the whole kit finds; the shortened one sends nothing that it answers wrongly."""
    for before in range(MOST_BEFORE + 1):
        if not (added := only_of_the_whole(kits.of_honest(checks), shortened, before)):
            continue
        about = {"about": list(added), "before": before, "select": looked_at(checks)}
        stubs = [about | {"lie": lie} for lie in lies_about({*added.values()})]
        *_, found = told = kits.run(None, checks, stubs, until_failed=True)
        if found["broken"]:
            lie = stubs[len(told) - 1]["lie"]
            return f"accomplice that {lie} {len(added)} requests, {before} before: {', '.join(found['broken'])}"
    return None


def _of_a_violation(kits: Kits, checks: tuple[str, ...], shortening: Shortening) -> str | None:
    """The violation, or variant of one, that the whole kit finds."""
    stubs = kits.found_by(checks)
    told = kits.run(shortening, checks, stubs, until_failed=False)
    return None if all(one["broken"] for one in told) else f"violation {stubs[len(told) - 1]['violate'][0]}"


def test_kit_sends_the_same_requests_again(kits: Kits) -> None:
    checks = tuple(name for name in CHECKS if name not in ("health", "container"))
    one, other = (kits.run(None, checks, [{"select": looked_at(checks)}])[0] for _ in range(2))
    assert only_of_the_whole(one, other, 0) == only_of_the_whole(other, one, 0) == {}


def test_each_entry_of_a_list_of_probes_is_needed(kits: Kits, tell_score: Callable[[str], None]) -> None:
    every = [one for one in shortenings() if f"{one.file}.{one.name}" not in NO_PROBES]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        caught = dict(zip(every, threads.map(lambda one: how_caught(kits, one), every), strict=True))
    missed = [str(one) for one, how in caught.items() if how is None]
    tell_score(f"{len(every) - len(missed)}/{len(every)} mutants that shorten a list of probes caught")
    assert missed == []
