"""policy-simulator: what a change of tax rates does to growth, prices, public money and equality.

inputs    country; time_horizon_years (1..30, default 5); policy_parameters with vat_rate, cit_rate, payroll_tax_rate
          (0..0.5) and transfers_share_gdp (0..1), each in force unchanged when absent
outputs   country, horizon, policy, kpis, baseline, change, path, units, labels; the equations are in `policy_model`
artifacts kpis.json (in the answer), plot.png (by href)
"""

import json
import textwrap
from dataclasses import asdict
from functools import lru_cache
from typing import Annotated, Any, Final

from pydantic import Field

from ops_contract import LONGEST_TITLE, ContractModel, Evidence, ExecuteRequest, suggestion
from ops_stubs.countries import CountryCode
from ops_stubs.figures import DRAWN, KPIS, formatted, measure
from ops_stubs.inputs import Horizon, Rate, TaxRate, read_inputs
from ops_stubs.key_figures import key_figures
from ops_stubs.module import File, Result, Stub
from ops_stubs.policy_bare import run_scenario
from ops_stubs.policy_model import Levers, Year, headline, in_force, shocks, simulate

__all__ = ["STUB", "execute"]

_MOST_WARNINGS: Final = 5
_MOST_CHARACTERS: Final = 60


class PolicyParameters(ContractModel):
    """The levers of a scenario; what is absent stays as it is in force."""

    vat_rate: TaxRate | None = None
    cit_rate: TaxRate | None = None
    payroll_tax_rate: TaxRate | None = None
    transfers_share_gdp: Rate | None = None


class PolicyInputs(ContractModel):
    """What the policy simulator reads of a scenario."""

    country: CountryCode
    time_horizon_years: Horizon = 5
    policy_parameters: Annotated[PolicyParameters, Field(default_factory=PolicyParameters)]


def execute(request: ExecuteRequest) -> Result:
    """Simulate the baseline and the scenario under the same luck. Raises InputError."""
    inputs = read_inputs(PolicyInputs, request.inputs)
    today = in_force(inputs.country)
    levers = Levers(**{**asdict(today), **inputs.policy_parameters.model_dump(exclude_none=True)})
    luck = shocks(inputs.country, inputs.time_horizon_years, request.options.seed)
    baseline, scenario = simulate(inputs.country, today, luck), simulate(inputs.country, levers, luck)
    outputs = _outputs(inputs, today, levers, baseline, scenario)
    warnings = _unused(request.inputs.get("policy_parameters"))
    return Result(outputs, artifacts=_files(outputs), evidence=_evidence(inputs.country.name), warnings=warnings)


def _unused(parameters: Any) -> tuple[str, ...]:
    """A warning for each of the first parameters that are not levers: a misspelt one would change nothing, unseen."""
    levers = tuple(PolicyParameters.model_fields)
    there_are = f"there are {', '.join(levers)}"
    unknown = [name[:_MOST_CHARACTERS] for name in parameters or () if name not in levers][:_MOST_WARNINGS]
    return tuple(f"policy_parameters/{name} is not used; {suggestion(name, levers) or there_are}" for name in unknown)


def _outputs(
    inputs: PolicyInputs, today: Levers, levers: Levers, baseline: tuple[Year, ...], scenario: tuple[Year, ...]
) -> dict[str, Any]:
    in_scenario = asdict(levers)
    return {
        "country": inputs.country.as_json(),
        "horizon": {"first_year": scenario[0].year, "last_year": scenario[-1].year, "years": len(scenario)},
        "policy": {name: {"baseline": rate, "scenario": in_scenario[name]} for name, rate in asdict(today).items()},
        **key_figures(
            headline(scenario),
            headline(baseline),
            units={name: kpi.unit for name, kpi in KPIS.items()},
            labels={name: kpi.label for name, kpi in KPIS.items()},
        ),
        "path": [
            {"year": after.year, "baseline": then.figures(), "scenario": after.figures()}
            for then, after in zip(baseline, scenario, strict=True)
        ],
    }


def _files(outputs: dict[str, Any]) -> tuple[File, ...]:
    table = {name: outputs[name] for name in ("country", "horizon", "policy", "kpis", "baseline", "change", "units", "labels")}
    text = json.dumps(table, indent=2, ensure_ascii=False) + "\n"
    return (
        File("kpis.json", "application/json", text.encode()),
        File(
            "plot.png",
            "image/png",
            _plot(json.dumps(outputs)),
            by_href=True,
            title=_title(outputs),
            description=_shown(outputs),
        ),
    )


def _title(outputs: dict[str, Any]) -> str:
    changed = measure({name: (rate["baseline"], rate["scenario"]) for name, rate in outputs["policy"].items()})
    return textwrap.shorten(f"{outputs['country']['name']}: {changed or 'no rate changed'}", LONGEST_TITLE, placeholder=" ...")


def _shown(outputs: dict[str, Any]) -> str:
    last = outputs["path"][-1]
    ends = "; ".join(
        f"{KPIS[name].in_sentence} {formatted(name, last['scenario'][name])}, and {formatted(name, last['baseline'][name])}"
        " by the law in force"
        for name in DRAWN
    )
    first_year, last_year = outputs["horizon"]["first_year"], outputs["horizon"]["last_year"]
    return f"Four line charts of {first_year} to {last_year}, the scenario against the law in force. In {last_year}: {ends}."


# Drawing takes nearly all the time of a call, and the same scenario often runs again.
@lru_cache(maxsize=32)
def _plot(outputs: str) -> bytes:
    from ops_stubs.policy_chart import draw  # noqa: PLC0415 - loads matplotlib, which only a drawing needs

    return draw(json.loads(outputs))


def _evidence(country: str) -> tuple[Evidence, ...]:
    return (
        Evidence(
            id="model",
            kind="computation",
            title="Synthetic tax policy model of the stub, fitted to no data",
            supports=tuple(f"/kpis/{name}" for name in KPIS),
            artifact="kpis.json",
            synthetic=True,
        ),
        Evidence(
            id="starting-point",
            kind="dataset",
            title=f"Synthetic starting point for {country}, made up by the stub",
            supports=tuple(f"/baseline/{name}" for name in KPIS),
            synthetic=True,
        ),
    )


def _warm_up() -> None:
    fields = {
        "contract_version": "1.0",
        "run_id": "warm-up",
        "step_id": "warm-up",
        "scenario_id": "warm-up",
        "action": "execute",
    }
    execute(ExecuteRequest.model_validate({**fields, "inputs": {"country": "DO"}}))


STUB: Final = Stub(
    name="policy-simulator",
    summary="What a change of tax rates does to growth, prices, public money and equality",
    actions={"execute": execute},
    bare={"/run_scenario": run_scenario},
    warm_up=_warm_up,
)
"""The stand-in for the policy simulator."""
