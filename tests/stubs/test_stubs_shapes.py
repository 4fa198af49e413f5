"""The shape of every module's outputs, as JSON Schema, and some figures that a seed has always meant."""

from typing import Any

import jsonschema_rs
import pytest

from ops_stubs.catalogue import STUBS
from ops_stubs.figures import KPIS
from ops_stubs.module import Result

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
SCORE: Schema = {"type": "number", "minimum": 0, "maximum": 100}
LEVEL: Schema = {"enum": ["low", "moderate", "high"]}


def exactly(**properties: Schema) -> Schema:
    """An object with these fields and no others."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def many(items: Schema, least: int = 1) -> Schema:
    """An array of at least `least` of `items`."""
    return {"type": "array", "items": items, "minItems": least}


def keyed(values: Schema) -> Schema:
    """An object with any fields of one kind."""
    return {"type": "object", "additionalProperties": values, "minProperties": 1}


COUNTRY = exactly(code={"type": "string", "pattern": "^[A-Z]{2}$"}, name=TEXT)


def key_figures(*keys: str) -> dict[str, Schema]:
    """The fields of outputs for key figures."""
    values = {name: dict.fromkeys(keys, NUMBER) for name in ("kpis", "baseline", "change")}
    texts = {name: dict.fromkeys(keys, TEXT) for name in ("units", "labels")}
    return {name: exactly(**fields) for name, fields in (values | texts).items()}


RISKS = ("supply_risk", "logistics", "supplier_concentration", "import_dependence", "energy", "climate")
YEAR = exactly(**dict.fromkeys([*KPIS, "gdp_index"], NUMBER))

SHAPES: dict[str, Schema] = {
    "data-layer": exactly(
        country=COUNTRY,
        indicators=many(exactly(id=TEXT, label=TEXT, value=NUMBER, unit=TEXT, year=COUNT, source=TEXT)),
        years=exactly(first=COUNT, last=COUNT),
    ),
    "policy-simulator": exactly(
        country=COUNTRY,
        horizon=exactly(first_year=COUNT, last_year=COUNT, years=COUNT),
        policy=keyed(exactly(baseline=NUMBER, scenario=NUMBER)),
        path=many(exactly(year=COUNT, baseline=YEAR, scenario=YEAR)),
        **key_figures(*KPIS),
    ),
    "supplychain-risk": exactly(
        country=COUNTRY,
        sector=TEXT,
        overall=SCORE,
        level=LEVEL,
        components=keyed(SCORE),
        drivers=many(exactly(component=TEXT, score=SCORE, weight=NUMBER, contribution=NUMBER, reason=TEXT)),
        scale=TEXT,
        **key_figures(*RISKS),
    ),
    "dr-anticorruption": exactly(
        country=COUNTRY,
        overall=SCORE,
        level=LEVEL,
        entities=many(
            exactly(
                id=TEXT,
                name=TEXT,
                score=SCORE,
                level=LEVEL,
                spending_musd=NUMBER,
                factors=many(exactly(factor=TEXT, label=TEXT, value=NUMBER, weight=NUMBER, contribution=NUMBER)),
            )
        ),
        weights=keyed(NUMBER),
        method=TEXT,
        **key_figures("procurement_risk"),
    ),
    "strategy-agent": exactly(
        brief={"const": "brief.md"},
        recommendation=TEXT,
        options=many(exactly(rank=COUNT, id=TEXT, title=TEXT, score=SCORE, points=keyed(NUMBER), reasons=many(TEXT)), least=2),
        reasons=many(TEXT),
        cited=keyed(exactly(label=TEXT, value=NUMBER, shown=TEXT, step=TEXT)),
        lacks=many(TEXT, least=0),
    ),
    "monitor": exactly(
        verdict={"enum": ["nothing to watch", "clean", "attention"]},
        totals=keyed(NUMBER),
        steps=many(
            exactly(
                step=TEXT,
                module=TEXT,
                outputs=COUNT,
                outputs_sha256=TEXT,
                artifacts=COUNT,
                artifact_bytes=COUNT,
                evidence=COUNT,
                synthetic_evidence=COUNT,
            )
        ),
        findings=many(exactly(step=TEXT, severity={"enum": ["info", "warning"]}, message=TEXT)),
    ),
}
ARTIFACTS = {
    "data-layer": [("indicators.csv", "text/csv", True)],
    "policy-simulator": [("kpis.json", "application/json", False), ("plot.png", "image/png", True)],
    "supplychain-risk": [("risk.png", "image/png", False)],
    "dr-anticorruption": [("entities.json", "application/json", False)],
    "strategy-agent": [("brief.md", "text/markdown", False)],
    "monitor": [("status.md", "text/markdown", False)],
}


@pytest.mark.parametrize("name", list(STUBS))
def test_outputs_have_the_shape_that_is_promised(name: str, raised: dict[str, Result]) -> None:
    found = [
        f"{error.instance_path}: {error.message}" for error in jsonschema_rs.iter_errors(SHAPES[name], raised[name].outputs)
    ]
    assert found == []


@pytest.mark.parametrize("name", list(STUBS))
def test_artifacts_have_the_names_that_are_promised(name: str, raised: dict[str, Result]) -> None:
    assert [(file.name, file.media_type, file.by_href) for file in raised[name].artifacts] == ARTIFACTS[name]


def test_policy_simulator_gives_the_figures_that_the_seed_has_always_meant(raised: dict[str, Result]) -> None:
    """A change here makes every stored run irreproducible: give the stubs a new version with it."""
    assert raised["policy-simulator"].outputs["kpis"] == pytest.approx(
        {
            "gdp_growth": 0.042315,
            "inflation": 0.045043,
            "revenue_share_gdp": 0.166279,
            "fiscal_balance_share_gdp": -0.023464,
            "debt_share_gdp": 0.411885,
            "consumption_index": 122.601118,
            "gini": 0.390697,
        },
        abs=1e-6,
    )


def test_risk_stubs_give_the_figures_that_the_seed_has_always_meant(raised: dict[str, Result]) -> None:
    """As above."""
    assert raised["supplychain-risk"].outputs["overall"] == 55.8
    assert raised["dr-anticorruption"].outputs["overall"] == 59.58
