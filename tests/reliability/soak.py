"""A service under a long mixed load while everything around it breaks: what is killed, what is full, and what it uses."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import create_server
from statistics import median
from subprocess import PIPE, Popen
from threading import Condition, Event
from typing import Final

import httpx2
from local_service import HTTP, ROOT, address_of, started
from reliability.disk_image import full_disk
from reliability.service_home import ServiceHome

PAUSES_S: Final = {
    "kill the service": (4.0, 12.0),
    "kill modules": (3.0, 9.0),
    "kill the container": (6.0, 12.0),
    "fill the disk": (6.0, 12.0),
}
"""By what is done to break something, the shortest and the longest time until it is done again."""

FULL_S: Final = (0.2, 1.5)
SLOW_S: Final = (0.2, 1.0)


@dataclass
class Soak:
    """What goes on: where the service serves, whether callers and troubles go on, and what was done how often."""

    home: ServiceHome
    chance: random.Random
    over: Event = field(default_factory=Event)
    """Nothing new is begun, and nothing broken any more."""

    settled: Event = field(default_factory=Event)
    """All has been looked at: the service and the modules may end."""

    done: Counter[str] = field(default_factory=Counter)
    used: list["Use"] = field(default_factory=list)
    """What the service held in its last life: before it was called, second by second, and when all runs were over."""

    _serving: Condition = field(default_factory=Condition)
    _url: str | None = None

    @property
    def temporary(self) -> Path:
        """Where the service puts its temporary files."""
        folder = self.home.folder / "tmp"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def growth(self) -> int:
        """Bytes by which the memory in the last third of the last life was above what it was in the first, at the median.

        What a few hostile answers take that happen to come together is given back, and is no growth.
        """
        third = len(self.used) // 3
        first, last = ([use.resident_bytes for use in part] for part in (self.used[:third], self.used[-third:]))
        return round(median(last) - median(first))

    @property
    def url(self) -> str | None:
        """The service's address; waits until it serves, and is None only when it never will again."""
        with self._serving:
            self._serving.wait_for(lambda: self._url is not None or self.settled.is_set())
            return self._url

    @contextmanager
    def served(self) -> Iterator[Popen[str]]:
        """A life of the service."""
        with self.home.serving(OPS_RESUME_INTERRUPTED="true", TMPDIR=str(self.temporary)) as (process, url):
            assert url is not None
            self.used = [Use.of(process.pid)]
            self._say(url)
            try:
                yield process
            finally:
                self._say(None)

    def _say(self, url: str | None) -> None:
        with self._serving:
            self._url = url
            self._serving.notify_all()

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Whatever happens within, all ends behind it."""
        try:
            yield
        finally:
            self._end()

    def do(self, act: Callable[[], object]) -> None:
        """Do one of the acts; when it fails, all ends at once."""
        try:
            act()
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        self.settled.set()
        self.over.set()
        with self._serving:
            self._serving.notify_all()

    def again_and_again(self, what: str, act: Callable[[], object]) -> None:
        """Do something at random moments until all is over, and count it."""
        while not self.over.wait(self.chance.uniform(*PAUSES_S[what])):
            act()
            self.done[what] += 1


class Respawned:
    """A process at an address that stays the same, which is started again each time that it was killed."""

    def __init__(self, script: str) -> None:
        with create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._words = ("python", script, str(self._port))
        self.url = f"http://127.0.0.1:{self._port}"
        self.ready = Event()

    def live(self, soak: Soak) -> None:
        """Run it, one life after the other, until all has settled; while callers go on it is killed at random moments."""
        while not soak.settled.is_set():
            with started(ROOT / "tests", *self._words, stdout=PIPE) as process:
                address_of(process)
                self.ready.set()
                if soak.over.wait(soak.chance.uniform(*PAUSES_S["kill modules"])):
                    soak.settled.wait()
                    break
                process.kill()
                soak.done["kill modules"] += 1


@dataclass(frozen=True)
class Use:
    """What the process of the service holds at one moment."""

    resident_bytes: int
    descriptors: int
    threads: int
    children: int

    @classmethod
    def of(cls, process: int) -> "Use":
        """Read from /proc."""
        status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
        children = [one for task in Path(f"/proc/{process}/task").iterdir() for one in (task / "children").read_text().split()]
        descriptors = len([*Path(f"/proc/{process}/fd").iterdir()])
        return cls(int(status["VmRSS"].split()[0]) * 1024, descriptors, int(status["Threads"]), len(children))


def fill_disk(soak: Soak, folder: Path) -> None:
    """Leave no byte on the service's disk for a moment."""
    with full_disk(folder):
        soak.over.wait(soak.chance.uniform(*FULL_S))


def stall_slow_modules(soak: Soak, modules: str) -> None:
    """Have the slow module answer, and not, by turns."""
    is_going = False
    while not soak.over.wait(soak.chance.uniform(*SLOW_S)):
        is_going = not is_going
        lets_go(modules, is_going=is_going)


def lets_go(modules: str, *, is_going: bool = True) -> bool:
    """Have the slow module answer, or not; False when it was killed just now."""
    try:
        (HTTP.put if is_going else HTTP.delete)(f"{modules}/go")
    except httpx2.TransportError:
        return False
    return True
