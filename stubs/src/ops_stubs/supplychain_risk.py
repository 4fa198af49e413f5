"""supplychain-risk: how exposed a country's supply is, by component, 0 (not at all) to 100.

score_k  = exposure of the country + shift of the sector + noise (sd 3), kept within 0..100; climate adds 0.6 for every year
           of the horizon beyond five
overall  = sum of weight_k * score_k; a driver's contribution is its term of that sum

inputs    country; sector (all, agriculture, energy, manufacturing, tourism; default all); time_horizon_years (default 5)
outputs   country, sector, overall, level, components, drivers (largest contribution first), scale; kpis with units, labels,
          baseline (the exposure of the country alone) and change
artifacts risk.png (in the answer)
"""

import json
from functools import lru_cache
from typing import Any, Final, Literal

from pydantic import BaseModel

from ops_contract import ContractModel, Evidence, ExecuteRequest
from ops_stubs import noise
from ops_stubs.countries import Country, CountryCode, country_of
from ops_stubs.errors import BareError
from ops_stubs.figures import level
from ops_stubs.inputs import Horizon, read_inputs
from ops_stubs.key_figures import key_figures
from ops_stubs.module import File, Result, Stub

__all__ = ["STUB", "execute", "score"]

_WEIGHTS: Final = {
    "logistics": 0.25,
    "supplier_concentration": 0.2,
    "import_dependence": 0.2,
    "energy": 0.2,
    "climate": 0.15,
}
_UNIT: Final = "points, 0 (not exposed) to 100"
_LABELS: Final = {
    "supply_risk": "Supply risk",
    "logistics": "Logistics",
    "supplier_concentration": "Supplier concentration",
    "import_dependence": "Import dependence",
    "energy": "Energy",
    "climate": "Climate",
}
_REASONS: Final = {
    "logistics": "Time at ports and borders, and how often deliveries are late",
    "supplier_concentration": "How few suppliers most purchases come from",
    "import_dependence": "How much of what is used comes from abroad",
    "energy": "How much energy is imported, and how often the supply fails",
    "climate": "Storms, droughts and floods on the main routes",
}
_SHIFTS: Final[dict[str, dict[str, float]]] = {
    "all": {},
    "agriculture": {"climate": 14, "logistics": 5, "energy": -6},
    "energy": {"import_dependence": 9, "energy": 8, "climate": 3},
    "manufacturing": {"supplier_concentration": 7, "import_dependence": 6, "energy": 4},
    "tourism": {"climate": 9, "import_dependence": 4, "supplier_concentration": -8},
}


class SupplyInputs(ContractModel):
    """What this stub reads of a scenario."""

    country: CountryCode
    sector: Literal["all", "agriculture", "energy", "manufacturing", "tourism"] = "all"
    time_horizon_years: Horizon = 5


class ScoreBody(BaseModel):
    """The body of `POST /score`."""

    iso: str
    industry: str = "all"


def execute(request: ExecuteRequest) -> Result:
    """Score a country's supply. Raises InputError."""
    inputs = read_inputs(SupplyInputs, request.inputs)
    scores = _scores(inputs.country, inputs.sector, inputs.time_horizon_years, request.options.seed)
    outputs = _outputs(inputs, scores)
    return Result(outputs, artifacts=(_drawn(outputs),), evidence=(_evidence(inputs.country.name),))


def score(body: ScoreBody) -> dict[str, Any]:
    """`POST /score` as it was before the contract: short names, shares instead of points, numbers as text, no envelope."""
    country = country_of(body.iso)
    if country is None or body.industry not in _SHIFTS:
        raise BareError(404, f"no data for {body.iso}/{body.industry}")
    scores = _scores(country, body.industry, 5, 0)
    overall = _overall(scores)
    return {
        "iso": country.code,
        "score": f"{overall / 100:.3f}",
        "band": {"low": "A", "moderate": "B", "high": "C"}[level(overall)],
        "breakdown": [{"k": name, "v": round(value / 100, 3)} for name, value in scores.items()],
        "src": ["synthetic exposure table", "synthetic sector shifts"],
    }


def _scores(country: Country, sector: str, years: int, seed: int) -> dict[str, float]:
    random = noise.generator("supplychain-risk", country.code, sector, seed)
    scores = {}
    for name in _WEIGHTS:
        value = getattr(country.exposure, name) + _SHIFTS[sector].get(name, 0) + random.gauss(0, 3)
        if name == "climate":
            value += 0.6 * max(0, years - 5)
        scores[name] = round(min(100.0, max(0.0, value)), 1)
    return scores


def _overall(scores: dict[str, float]) -> float:
    return round(sum(_WEIGHTS[name] * value for name, value in scores.items()), 1)


def _outputs(inputs: SupplyInputs, scores: dict[str, float]) -> dict[str, Any]:
    overall = _overall(scores)
    drivers = [
        {
            "component": name,
            "score": value,
            "weight": _WEIGHTS[name],
            "contribution": noise.rounded(_WEIGHTS[name] * value),
            "reason": _REASONS[name],
        }
        for name, value in sorted(scores.items(), key=lambda item: (-_WEIGHTS[item[0]] * item[1], item[0]))
    ]
    return {
        "country": inputs.country.as_json(),
        "sector": inputs.sector,
        "overall": overall,
        "level": level(overall),
        "components": scores,
        "drivers": drivers,
        "scale": "0 (not exposed) to 100; low below 35, moderate below 60, high from there",
        **key_figures(
            _headline(scores), _headline(_exposure(inputs.country)), units=dict.fromkeys(_LABELS, _UNIT), labels=_LABELS
        ),
    }


def _headline(scores: dict[str, float]) -> dict[str, float]:
    return {"supply_risk": _overall(scores), **scores}


def _exposure(country: Country) -> dict[str, float]:
    return {name: getattr(country.exposure, name) for name in _WEIGHTS}


def _drawn(outputs: dict[str, Any]) -> File:
    sector = "all sectors" if outputs["sector"] == "all" else outputs["sector"]
    scores = sorted(outputs["components"].items(), key=lambda item: -item[1])
    return File(
        "risk.png",
        "image/png",
        _chart(json.dumps(outputs)),
        title=f"{outputs['country']['name']}, {sector}: supply risk {outputs['overall']:.1f}",
        description="A bar for each component, from 0 (not exposed) to 100: "
        + ", ".join(f"{_LABELS[name].lower()} {value:.1f} ({level(value)})" for name, value in scores)
        + ".",
    )


# Drawing takes nearly all the time of a call, and the same scenario often runs again.
@lru_cache(maxsize=32)
def _chart(outputs: str) -> bytes:
    from ops_stubs.risk_chart import draw  # noqa: PLC0415 - loads matplotlib, which only a drawing needs

    return draw(json.loads(outputs))


def _evidence(country: str) -> Evidence:
    return Evidence(
        id="exposure",
        kind="dataset",
        title=f"Synthetic exposure table for {country}, made up by the stub",
        supports=(
            "/overall",
            *(f"/components/{name}" for name in _WEIGHTS),
            *(f"/{part}/{name}" for part in ("kpis", "baseline") for name in _LABELS),
        ),
        artifact="risk.png",
        synthetic=True,
    )


def _warm_up() -> None:
    inputs = read_inputs(SupplyInputs, {"country": "DO"})
    _drawn(_outputs(inputs, _scores(inputs.country, "all", 5, 0)))


STUB: Final = Stub(
    name="supplychain-risk",
    summary="How exposed a country's supply is, and what drives it",
    actions={"execute": execute},
    bare={"/score": score},
    warm_up=_warm_up,
)
"""The stand-in for the supply-chain risk module."""
