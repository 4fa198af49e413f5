"""What the callers of a soak do: runs of every kind, cancelling, resuming, watching, reading, and hanging up."""

import json
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from typing import Final
from urllib.parse import urlsplit

import httpx2
from local_service import HTTP
from reliability.service_home import STEPS, ServiceHome
from reliability.soak import Soak

_BETWEEN_S: Final = (0.05, 0.6)
_KEYS: Final = 500
_READ: Final = ("/", "/runs?limit=5", "/modules", "/health", "/ui/modules", "/runs?status=failed&limit=3")

Deed = Callable[[ServiceHome, str, random.Random, Sequence[str]], object]


def _complete(home: ServiceHome, url: str, chance: random.Random, _: Sequence[str]) -> None:
    key = f"soak {chance.randrange(_KEYS)}" if chance.random() < 0.3 else ""
    home.ask(url, *STEPS, key=key)


def _fail(home: ServiceHome, url: str, _chance: random.Random, _: Sequence[str]) -> None:
    home.ask(url, "inline", "refusing")


def _wait_for_slow(home: ServiceHome, url: str, chance: random.Random, _: Sequence[str]) -> None:
    home.ask(url, "inline", "slow", prefer=chance.choice(("", "wait=1", "respond-async")))


def _meet_hostile(home: ServiceHome, url: str, chance: random.Random, hostile: Sequence[str]) -> None:
    home.ask(url, chance.choice(hostile), prefer=chance.choice(("", "respond-async")))


def _call_container(home: ServiceHome, url: str, _chance: random.Random, _: Sequence[str]) -> None:
    home.ask(url, "contained")


def _cancel(home: ServiceHome, url: str, _chance: random.Random, _: Sequence[str]) -> None:
    home.order(url, home.ask(url, "fetched", "slow", prefer="respond-async"), "cancel")


def _resume(home: ServiceHome, url: str, _chance: random.Random, _: Sequence[str]) -> None:
    home.order(url, home.ask(url, "inline", "refusing"), "resume", prefer="respond-async")


def _hang_up(_home: ServiceHome, url: str, chance: random.Random, _: Sequence[str]) -> None:
    body = json.dumps({"scenario_id": "left", "modules": list(STEPS), "inputs": {"rows": [1]}}).encode()
    head = f"POST /plan_and_execute HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    whole = head + body
    with suppress(OSError), closing(socket.create_connection((urlsplit(url).hostname, urlsplit(url).port))) as caller:
        caller.sendall(whole[: chance.choice((len(whole), len(whole) - 5, len(head) - 2, 20))])
        if chance.random() < 0.5:
            caller.recv(1)


def _watch(home: ServiceHome, url: str, chance: random.Random, _: Sequence[str]) -> None:
    answer = home.ask(url, *STEPS, "slow", prefer="respond-async")
    if answer is None or not answer.run_id:
        return
    with suppress(httpx2.TransportError), HTTP.stream("GET", f"{url}/runs/{answer.run_id}/events") as events:
        for number, _line in enumerate(events.iter_lines()):
            if number > chance.randrange(40):
                break


def _read(_home: ServiceHome, url: str, chance: random.Random, _: Sequence[str]) -> None:
    with suppress(httpx2.TransportError):
        HTTP.get(f"{url}{chance.choice(_READ)}", headers={"Accept": chance.choice(("text/html", "application/json"))})


_DEEDS: Final[Mapping[Deed, int]] = {
    _complete: 6,
    _fail: 2,
    _wait_for_slow: 3,
    _meet_hostile: 4,
    _call_container: 2,
    _cancel: 2,
    _resume: 2,
    _hang_up: 3,
    _watch: 2,
    _read: 2,
}
"""What a caller does, and how often beside the others."""


def call(soak: Soak, seed: int, hostile: Sequence[str]) -> None:
    """Do one thing after the other until all is over."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    while not soak.over.wait(chance.uniform(*_BETWEEN_S)):
        if (url := soak.url) is None:
            break
        (deed,) = chance.choices([*_DEEDS], [*_DEEDS.values()])
        deed(soak.home, url, chance, hostile)
        soak.done[deed.__name__.strip("_").replace("_", " ")] += 1
