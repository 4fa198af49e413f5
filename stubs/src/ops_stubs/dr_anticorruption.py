"""dr-anticorruption: which procuring entities deserve a closer look. Every entity is fictitious.

value_f      = red-flag share of factor f in an entity's contracts, 0..1: the country's level plus noise (sd 0.15)
contribution = 100 * weight_f * value_f;  score = sum of contributions, 0..100
overall      = mean score, weighted by what each entity spends

inputs    country (the stub is set up for the Dominican Republic and warns about any other)
outputs   country, overall, level, entities (highest score first), weights, method; kpis with units, labels, baseline (the
          country's level, about which the entities vary) and change
artifacts entities.json (in the answer)
"""

import json
from random import Random
from typing import Any, Final

from pydantic import BaseModel

from ops_contract import ContractModel, Evidence, ExecuteRequest
from ops_stubs import noise
from ops_stubs.countries import COUNTRIES, Country, CountryCode
from ops_stubs.figures import level
from ops_stubs.inputs import read_inputs
from ops_stubs.key_figures import key_figures
from ops_stubs.module import File, Result, Stub

__all__ = ["STUB", "execute", "risk"]

_WEIGHTS: Final = {
    "single_bidding": 0.3,
    "contract_splitting": 0.2,
    "late_amendments": 0.2,
    "supplier_concentration": 0.15,
    "late_publication": 0.15,
}
_LABELS: Final = {
    "single_bidding": "Tenders with a single bid",
    "contract_splitting": "Contracts just below a threshold",
    "late_amendments": "Contracts amended after signature",
    "supplier_concentration": "Spending with the largest supplier",
    "late_publication": "Awards published late",
}
_UNITS: Final = {"procurement_risk": "points, 0 (no red flag) to 100"}
_TITLES: Final = {"procurement_risk": "Procurement risk, weighted by spending"}
_ENTITIES: Final = {
    "ENT-001": "Fictitious Directorate of Example Roads",
    "ENT-002": "Sample Hospital of Villa Inventada",
    "ENT-003": "Imaginary Institute of School Meals",
    "ENT-004": "Placeholder Port Authority of Puerto Ficticio",
    "ENT-005": "Make-Believe Water Utility",
    "ENT-006": "Municipality of Pueblo Ejemplo",
    "ENT-007": "Invented Fund for Rural Power",
    "ENT-008": "Mock Agency for Public Works",
}


class AnticorruptionInputs(ContractModel):
    """What this stub reads of a scenario."""

    country: CountryCode


class RiskBody(BaseModel):
    """The body of `POST /risk`."""

    institution: str = "all"
    top: int = 5


def execute(request: ExecuteRequest) -> Result:
    """Score every entity. Raises InputError."""
    country = read_inputs(AnticorruptionInputs, request.inputs).country
    entities = _entities(country, request.options.seed)
    overall = _overall(entities)
    outputs = {
        "country": country.as_json(),
        "overall": overall,
        "level": level(overall),
        "entities": entities,
        "weights": _WEIGHTS,
        "method": "weighted sum of red-flag shares; 0 to 100; low below 35, moderate below 60, high from there",
        **key_figures(
            {"procurement_risk": overall}, {"procurement_risk": country.exposure.procurement}, units=_UNITS, labels=_TITLES
        ),
    }
    table = File("entities.json", "application/json", (json.dumps(entities, indent=2, ensure_ascii=False) + "\n").encode())
    return Result(outputs, artifacts=(table,), evidence=(_evidence(len(entities)),), warnings=_warnings(country))


def risk(body: RiskBody) -> dict[str, Any]:
    """`POST /risk` as it was before the contract: no envelope, and a failure hides inside a 200."""
    entities = _entities(COUNTRIES["DO"], 0)
    chosen = [entity for entity in entities if body.institution in ("all", entity["id"])]
    if not chosen:
        return {"ok": False, "error": f"institution {body.institution} not found", "data": None}
    rows = [{"inst": entity["name"], "risk": entity["score"] / 100, "flags": _flags(entity)} for entity in chosen[: body.top]]
    return {"ok": True, "error": None, "data": rows}


def _entities(country: Country, seed: int) -> list[dict[str, Any]]:
    random = noise.generator("dr-anticorruption", country.code, seed)
    entities = [_entity(identifier, name, country, random) for identifier, name in _ENTITIES.items()]
    return sorted(entities, key=lambda entity: (-entity["score"], entity["id"]))


def _entity(identifier: str, name: str, country: Country, random: Random) -> dict[str, Any]:
    factors: list[dict[str, Any]] = []
    for factor, weight in _WEIGHTS.items():
        value = round(min(1.0, max(0.0, random.gauss(country.exposure.procurement / 100, 0.15))), 3)
        contribution = round(100 * weight * value, 2)
        factors.append(
            {"factor": factor, "label": _LABELS[factor], "value": value, "weight": weight, "contribution": contribution}
        )
    score = round(sum(factor["contribution"] for factor in factors), 2)
    spending = round(random.uniform(5, 120), 1)
    return {
        "id": identifier,
        "name": name,
        "score": score,
        "level": level(score),
        "spending_musd": spending,
        "factors": sorted(factors, key=lambda factor: -factor["contribution"]),
    }


def _overall(entities: list[dict[str, Any]]) -> float:
    spent: float = sum(entity["spending_musd"] for entity in entities)
    weighed: float = sum(entity["score"] * entity["spending_musd"] for entity in entities)
    return round(weighed / spent, 2)


def _flags(entity: dict[str, Any]) -> str:
    return ";".join(factor["factor"] for factor in entity["factors"] if factor["value"] >= 0.6)


def _warnings(country: Country) -> tuple[str, ...]:
    if country.code == "DO":
        return ()
    return (f"the entities and weights are set up for the Dominican Republic; read those for {country.name} with care",)


def _evidence(count: int) -> Evidence:
    return Evidence(
        id="contracts",
        kind="dataset",
        title=f"Synthetic contracts of {count} fictitious entities, made up by the stub",
        supports=("/overall", "/kpis/procurement_risk", *(f"/entities/{index}/score" for index in range(count))),
        artifact="entities.json",
        synthetic=True,
    )


STUB: Final = Stub(
    name="dr-anticorruption",
    summary="Which procuring entities deserve a closer look, and why",
    actions={"execute": execute},
    bare={"/risk": risk},
)
"""The stand-in for the anti-corruption module."""
