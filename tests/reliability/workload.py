"""What callers do while something happens to the service."""

import random
from itertools import count
from typing import Final

from reliability.service_home import STEPS, ServiceHome

_RUNS: Final = ((STEPS, ""), (("inline", "refusing"), ""), (("fetched", "inline"), "respond-async"), (("adapted",), "wait=0"))
_WITH_KEY: Final = 0.3
_KEYS: Final = 100


def keep_asking(home: ServiceHome, url: str, seed: float, at_most: int | None = None) -> None:
    """Have one run after the other, of every kind, `at_most` so many, until the service does not answer any more.

    Some have an idempotency key, with which they are asked for again, also after the service was killed.
    """
    chance = random.Random(seed)  # noqa: S311  # no secret
    for number in count():
        steps, prefer = chance.choice(_RUNS)
        key = f"{' '.join(steps)} {chance.randrange(_KEYS)}" if chance.random() < _WITH_KEY else ""
        if number == at_most or home.ask(url, *steps, prefer=prefer, key=key) is None:
            break
