"""`ops runs reproduce`: run a stored run again, and grade how much alike its results are."""

import asyncio
import json
import math
import os
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from ops_orchestrator.cli.opened_run import AnyRun, opened_run
from ops_orchestrator.cli.run_ids import served_run_id
from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.cli.terminal import AsJson, Url, on_terminal
from ops_orchestrator.cli.waiting import show_run, shown_when_over
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.exit_code import ExitCode, exit_code_of
from ops_orchestrator.modules.catalogue import Catalogue, load_catalogue
from ops_orchestrator.runs.comparison.grades import SAME
from ops_orchestrator.runs.events import Origin, Reproduction
from ops_orchestrator.settings import Settings, read_settings


def reproduce(  # noqa: PLR0913  # one parameter for each option
    run: AnyRun,
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Call no module and no service: recorded answers stand in for theirs.")
    ] = False,
    current_modules: Annotated[
        bool, typer.Option("--current-modules", help="Call modules as they are registered now, not as the run has them.")
    ] = False,
    pin: Annotated[
        bool, typer.Option("--pin", help="Refuse modules of another version or image digest than the recorded ones.")
    ] = False,
    rel: Annotated[
        float, typer.Option(min=0, max=1, help="Numbers count as the same within this share of the larger one.")
    ] = 0.0,
    abs_: Annotated[float, typer.Option("--abs", min=0, help="Numbers count as the same when they are this close.")] = 0.0,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Run a stored run again and grade the difference.

    Exit code 0 when the results are identical, equal or within the tolerances, and 1 otherwise.
    """
    if not (math.isfinite(rel) and math.isfinite(abs_)):
        raise ConfigurationError("--rel and --abs take a number from 0 on, such as 1e-6")
    modules: Literal["recorded", "current"] = "current" if current_modules else "recorded"
    wanted = _Wanted(read_settings(url=url), run, Reproduction(modules, offline, rel, abs_), pin, as_json or not on_terminal())
    record = asyncio.run(_offline(wanted) if offline else _served(wanted))
    raise typer.Exit(_exit_code(record))


@dataclass(frozen=True)
class _Wanted:
    """What is to be reproduced, how, and how that is shown."""

    settings: Settings
    run: str
    terms: Reproduction
    pin: bool
    as_json: bool


async def _served(wanted: _Wanted) -> dict[str, Any]:
    """Have the service reproduce a run of its store and show what came of it; returns the new run's record."""
    if os.sep in wanted.run:
        reason = f"{wanted.run} is a path, and a service reproduces runs of its store"
        raise ConfigurationError(f"{reason}: import it with `ops runs import`, or add --offline")
    terms = wanted.terms
    how = {"modules": terms.modules, "pin": wanted.pin, "tolerance": {"rel": terms.rel, "abs": terms.abs}}
    async with ServiceClient.at(wanted.settings.url, wanted.settings.api_key) as service:
        begun = await service.reproduce(await served_run_id(service, wanted.run), json.dumps(how).encode())
        await shown_when_over(service, begun, as_json=wanted.as_json)
        return await service.run(str(begun["run_id"]))


async def _offline(wanted: _Wanted) -> dict[str, Any]:
    """Reproduce a run from its record in this process and show what came of it; returns the new run's record."""
    # What executes runs takes a third of a second to load, which a service does not need here.
    from ops_orchestrator.cli.local_runs import local_runs  # noqa: PLC0415  # see above
    from ops_orchestrator.runs.reproduction import recipe_of  # noqa: PLC0415  # as above

    settings, terms = wanted.settings, wanted.terms
    registered = load_catalogue(settings.modules_file, os.environ) if terms.modules == "current" else Catalogue({})
    with opened_run(wanted.run) as original:
        recipe = recipe_of(original, registered, terms, pin=wanted.pin)
        origin = Origin(reproduces=original.run_id, reproduction=terms)
        async with local_runs(settings, registered) as local:
            run = await local.runs.start(recipe.scenario, catalogue=recipe.catalogue, origin=origin, original=original)
            await run.wait()
            record, results = run.record.model_dump(mode="json"), run.results.model_dump(mode="json")
            show_run(record, results, f"{local.store.location(run.record.run_id)}/", as_json=wanted.as_json)
    return record


def _exit_code(record: dict[str, Any]) -> ExitCode:
    grade = (record.get("reproduction") or {}).get("grade")
    if grade is None:
        return exit_code_of(str(record["status"]))
    return ExitCode.DONE if grade in SAME else ExitCode.NOT_COMPLETED
