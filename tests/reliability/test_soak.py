"""A soak: callers of every kind for minutes, while modules, containers and the service are killed and the disk gets full."""

import os
import random
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from socket import create_server
from threading import Event
from time import monotonic
from typing import Final

import pytest
from container_engine import PYTHON_IMAGE, docker, engine_answers
from hostile_answers import hostile_answers
from local_service import ROOT
from reliability.disk_image import small_disk
from reliability.page import write_soak
from reliability.service_home import ServiceHome
from reliability.soak import PAUSES_S, Respawned, Soak, Use, fill_disk, lets_go, stall_slow_modules
from reliability.soak_callers import call

pytestmark = [pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(7200)]

MIB: Final = 1024 * 1024
OF_THE_PAGE: Final = 600.0
SECONDS: Final = float(os.environ.get("OPS_SOAK_S") or OF_THE_PAGE)
"""How long it goes on. Only what came of the whole time is written into the page."""

KILLED_FOR: Final = 0.5
"""For this part of the time the service is killed; then one life begins, in which its memory must stay flat."""

CALLERS: Final = 8
DISK: Final = 512 * MIB + int(SECONDS * 4 * MIB)
"""Runs keep up to 2 MiB a second; at the end there must be room for another one."""
MOST_GROWTH: Final = 48 * MIB
"""By which memory may grow in the last life after its first quarter: a hostile answer of 16 MiB is in it at any time."""

MOST_KEPT: Final = 12
"""Descriptors that an idle service may hold beside those it began with: connections to modules, and files of its store."""

DONE: Final = {
    "kill the service": "service killed",
    "kill modules": "processes of modules killed",
    "kill the container": "container of a module killed",
    "fill the disk": "disk filled",
    "hang up": "callers that hung up",
    "meet hostile": "runs with a hostile module",
    "cancel": "runs cancelled",
    "resume": "runs resumed",
}
"""By what was done, how the page calls it."""

PATIENCE_S: Final = 120.0


@contextmanager
def contained_module() -> Iterator[tuple[str, str]]:
    """A module in a container, which is removed at the end: its name and its address."""
    name = f"ops-soak-{uuid.uuid4().hex[:8]}"
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    files = f"{ROOT / 'tests/reliability'}:/srv/reliability:ro"
    words = ("--detach", "--name", name, "--publish", f"127.0.0.1:{port}:8080", "--volume", files, PYTHON_IMAGE)
    docker("run", *words, "python", "/srv/reliability/module_server.py", "8080", "0.0.0.0")  # noqa: S104  # inside the container
    try:
        yield name, f"http://127.0.0.1:{port}"
    finally:
        docker("rm", "--force", "--volumes", name)


def kill_container(name: str) -> None:
    docker("kill", name)
    docker("start", name)


def serve_and_kill(soak: Soak, kill_for_s: float) -> None:
    """Kill the service at random moments of the first part; what one life of it uses is looked at in the rest."""
    until = monotonic() + kill_for_s
    while monotonic() < until and not soak.over.is_set():
        with soak.served() as process:
            soak.over.wait(soak.chance.uniform(*PAUSES_S["kill the service"]))
            process.kill()
            soak.done["kill the service"] += 1
    with soak.served() as process:
        while not soak.settled.wait(1):
            soak.used.append(Use.of(process.pid))


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait within reason; what does not hold then is found by who looks next."""
    until, pause = monotonic() + PATIENCE_S, Event()
    while not holds() and monotonic() < until:
        pause.wait(0.1)


def settle(soak: Soak) -> None:
    """Have all runs end, and compare what callers know with what there is."""
    home, url = soak.home, soak.url
    assert url is not None
    wait_until(lambda: not home.under_way(url))
    home.ask_again(url)
    wait_until(lambda: not home.under_way(url))
    home.check_that_it_serves(url)
    home.examine(url, again=True)
    home.count()


def register(home: ServiceHome, hostile: str, contained: str) -> list[str]:
    """Add the hostile modules, of which it returns the names, and the one in a container."""
    modules = hostile_answers()
    lines = [f"  {one.slug}: {{url: {hostile}/{one.slug}, timeout_s: 2, retries: 0, ready_timeout_s: 0}}" for one in modules]
    with (home.folder / "modules.yaml").open("a") as file:
        print(f"  contained: {{url: {contained}/contained, ready_timeout_s: 10}}", *lines, sep="\n", file=file)
    return [one.slug for one in modules]


def test_soak_breaks_no_promise_and_leaves_nothing(tmp_path: Path) -> None:
    if not engine_answers():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("a soak kills a container, and no Docker engine answers")
    chance = random.Random(SECONDS)  # noqa: S311  # no secret
    good, hostile = Respawned("reliability/module_server.py"), Respawned("hostile_server.py")
    with small_disk(tmp_path / "disk", DISK) as folder, contained_module() as (container, contained):
        soak = Soak(ServiceHome(folder / "home", good.url), chance)
        names = register(soak.home, hostile.url, contained)
        acts = [
            partial(good.live, soak),
            partial(hostile.live, soak),
            partial(serve_and_kill, soak, SECONDS * KILLED_FOR),
            partial(soak.again_and_again, "fill the disk", partial(fill_disk, soak, folder)),
            partial(soak.again_and_again, "kill the container", partial(kill_container, container)),
            partial(stall_slow_modules, soak, good.url),
            *(partial(call, soak, seed, names) for seed in range(CALLERS)),
        ]
        with ThreadPoolExecutor(len(acts)) as pool, soak.ending():
            lasting, ending = [pool.submit(soak.do, act) for act in acts[:3]], [pool.submit(soak.do, act) for act in acts[3:]]
            soak.over.wait(SECONDS)
            soak.over.set()
            wait_until(partial(lets_go, good.url))
            for one in ending:
                one.result()
            if not soak.settled.is_set():
                settle(soak)
        for one in lasting:
            one.result()
        temporary = [*soak.temporary.iterdir()]
    if SECONDS >= OF_THE_PAGE:
        write_soak(figures_of(soak))
    assert soak.home.findings.broken == {}
    assert [what for what in DONE if not soak.done[what]] == []
    assert soak.growth < MOST_GROWTH
    assert soak.used[-1].descriptors <= soak.used[0].descriptors + MOST_KEPT
    assert (temporary, soak.used[-1].children) == ([], 0)
    assert container not in docker("ps", "--all", "--format", "{{.Names}}").split()


def figures_of(soak: Soak) -> dict[str, str]:
    """The figures of the page, in its order."""
    findings, last, idle = soak.home.findings, soak.used[-1], soak.used[0]
    held = f"{idle.resident_bytes // MIB} and {last.resident_bytes // MIB} MiB"
    return {
        "minutes": f"{SECONDS / 60:.0f}",
        "runs": f"{findings.runs:,}",
        "acknowledged": f"{findings.acknowledged:,}",
        **{DONE[what]: f"{soak.done[what]:,}" for what in DONE},
        "lost": str(len(findings.lost)),
        "contradict themselves": str(len(findings.contradictions)),
        "left over": str(len(findings.left_over) + len(findings.unserved)),
        "memory of the service at its start, and at the end": held,
        "most memory in its last life": f"{max(use.resident_bytes for use in soak.used) // MIB} MiB",
        "open descriptors at its start, and at the end": f"{idle.descriptors} and {last.descriptors}",
    }
