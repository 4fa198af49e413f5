"""`/simulations` of the legacy service: a job is accepted, asked for until it is done, and leaves its files at addresses.

The figures are synthetic: paths of growth that scatter around the trend of `countries`.
"""

import hashlib
import json
import statistics
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ops_stubs import noise
from ops_stubs.countries import Country, country_of
from ops_stubs.errors import BareError
from ops_stubs.inputs import BASE_YEAR

__all__ = ["Simulations"]

_ASKS: Final = 2
_MOST_JOBS: Final = 100
_PATHS: Final = 200
_LONGEST: Final = 30
_STUDIES: Final = (
    {"ref": "S-1", "heading": "Synthetic survey of firms", "type": "survey", "sample": 400},
    {"ref": "S-2", "heading": "Synthetic trend model", "type": "model", "web": "https://example.org/trend"},
)


@dataclass
class _Job:
    country: Country | None
    years: int
    seed: str
    left: int = _ASKS


class Simulations:
    """The jobs that were accepted, of which the oldest are forgotten. Equal requests are one job, begun again."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, _Job] = OrderedDict()

    def submit(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Accept a job for `years` of a `country`. Raises BareError 422 for `years` that are not a number from 1 to 30."""
        years, code = body.get("years"), body.get("country")
        if isinstance(years, bool) or not isinstance(years, int) or not 1 <= years <= _LONGEST:
            raise BareError(422, [f"years must be 1 to {_LONGEST}"])
        content = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        name = hashlib.sha256(content).hexdigest()[:12]
        self._jobs[name] = _Job(country_of(code) if isinstance(code, str) else None, years, str(body.get("seed") or 0))
        self._jobs.move_to_end(name)
        if len(self._jobs) > _MOST_JOBS:
            self._jobs.popitem(last=False)
        return {"job": name, "state": "queued"}

    def state(self, name: str) -> dict[str, Any]:
        """How far a job is; asked for the third time, it is done. Raises BareError 404 for an unknown one."""
        job = self._job(name)
        if job.country is None:
            return {"state": "failed", "why": "no model for this country"}
        if job.left:
            job.left -= 1
            return {"state": "running", "percent": 100 * (_ASKS - job.left) // (_ASKS + 1)}
        rows = _rows(job.country, job)
        digest = hashlib.sha256(_csv(rows)).hexdigest()
        return {
            "state": "done",
            "growth": [{"year": year, "median": middle, "low": low, "high": high} for year, low, middle, high in rows],
            "studies": [study | {"made_up": True} for study in _STUDIES],
            "files": [{"link": f"/simulations/{name}/paths.csv", "digest": digest}],
        }

    def paths(self, name: str) -> bytes:
        """The file of a job that is done. Raises BareError 404."""
        job = self._job(name)
        if job.country is None or job.left:
            raise BareError(404, "there is no file yet")
        return _csv(_rows(job.country, job))

    def cancel(self, name: str) -> None:
        """Forget a job."""
        self._jobs.pop(name, None)

    def _job(self, name: str) -> _Job:
        job = self._jobs.get(name)
        if job is None:
            raise BareError(404, "there is no such job")
        return job


def _rows(country: Country, job: _Job) -> list[tuple[int, float, float, float]]:
    """By year, growth in percent: the lowest decile of the paths, their median, and the highest decile."""
    random = noise.generator("legacy", "simulations", country.code, job.seed)
    economy, rows = country.economy, []
    for year in range(BASE_YEAR + 1, BASE_YEAR + 1 + job.years):
        drawn = [100 * random.gauss(economy.growth, economy.volatility) for _ in range(_PATHS)]
        deciles = statistics.quantiles(drawn, n=10)
        rows.append((year, round(deciles[0], 2), round(statistics.median(drawn), 2), round(deciles[-1], 2)))
    return rows


def _csv(rows: list[tuple[int, float, float, float]]) -> bytes:
    return "".join(["year,low,median,high\n", *(f"{','.join(map(str, row))}\n" for row in rows)]).encode()
