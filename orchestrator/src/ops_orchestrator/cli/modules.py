"""`ops modules`: list them, show how we talk to one, call one once, check one, serve one through its adapter."""

import asyncio
import os
import sys
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from ops_contract import JsonError, NumberError, canonical_json, parse_json, suggestion
from ops_contract.command_line import completing, read_file
from ops_orchestrator.cli import display, tables
from ops_orchestrator.cli.compliance_kit import Timeout, check_registered, timeout_words
from ops_orchestrator.cli.run_ids import complete_run_id, find_run_id
from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.cli.terminal import AsJson, Url, show
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.modules.catalogue import Catalogue, load_catalogue
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.registration import Changes
from ops_orchestrator.runs.history import EarlierRun, run_before
from ops_orchestrator.runs.store.opening import existing_store
from ops_orchestrator.runs.store.verdicts import VerdictStore
from ops_orchestrator.settings import Settings, read_settings


def _catalogue_of(context: typer.Context) -> Catalogue:
    return _catalogue(read_settings(modules_file=context.params.get("modules_file")))


def _actions_of(context: typer.Context) -> tuple[str, ...]:
    # While a command line is completed, its arguments are not read yet.
    name = context.params["name"] or context.args[0]
    return _catalogue_of(context).modules[name].action_names


_complete_module = completing(lambda context: _catalogue_of(context).modules)
_complete_action = completing(_actions_of)

modules_app = typer.Typer(rich_markup_mode=None, invoke_without_command=True)

ModulesFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Another modules.yaml; default OPS_MODULES_FILE or ./modules.yaml.")
]
Name = Annotated[str, typer.Argument(metavar="MODULE", help="A name from modules.yaml.", autocompletion=_complete_module)]


@modules_app.callback()
def list_modules(context: typer.Context, url: Url = None, as_json: AsJson = False) -> None:
    """List the registered modules, or look at one, try one."""
    if context.invoked_subcommand is None:
        listed = asyncio.run(_listed(read_settings(url=url)))
        show(listed, lambda: tables.modules_view(listed), as_json=as_json)


@modules_app.command("reload")
def reload_modules(url: Url = None, as_json: AsJson = False) -> None:
    """Have the service read modules.yaml again. A wrong file changes nothing; runs under way keep their modules."""
    changes = asyncio.run(_reloaded(read_settings(url=url)))
    show(changes, lambda: display.plain(Changes.of(changes).in_words()), as_json=as_json)


@modules_app.command("show")
def show_module(name: Name, modules_file: ModulesFile = None, as_json: AsJson = False) -> None:
    """Show how a module is called, and the last verdict on it. Includes the built-in adapter and defaults."""
    settings = read_settings(modules_file=modules_file)
    module = _module(_catalogue(settings), name)
    declared, base = module.declared(), module.adapter.base if module.adapter else None
    compliance = VerdictStore(settings.runs_dir).compliance(module)
    fields = declared | ({"adapter_base": base} if base else {}) | {"compliance": compliance.summary()}
    show(fields, lambda: display.declaration_view(declared, base, compliance), as_json=as_json)


@modules_app.command("try")
def try_module(  # noqa: PLR0913, PLR0917  # one parameter an option
    name: Name,
    action: Annotated[
        str | None,
        typer.Option(help="What to ask for; the module's default action unless given.", autocompletion=_complete_action),
    ] = None,
    inputs: Annotated[Path | None, typer.Option(metavar="FILE", help="The inputs, in JSON; - reads standard input.")] = None,
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="A run with inputs, seed and earlier steps; latest for the newest.",
            autocompletion=complete_run_id,
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**31 - 1, help="The seed; that of the run, or 0.")] = None,
    modules_file: ModulesFile = None,
    as_json: AsJson = False,
) -> None:
    """Call a module once, without a run. Shows the mapped request, the raw response and the envelope."""
    # The HTTP client takes a third of a second to load, which no other command should wait for.
    from ops_orchestrator.workbench.trial import call_of, step_of, try_call  # noqa: PLC0415  # see above

    settings = read_settings(modules_file=modules_file)
    catalogue = _catalogue(settings)
    _module(catalogue, name)
    step = step_of(catalogue, name, action)
    earlier = _run_before(settings, run, step.module.name, step.action) if run else None
    call = call_of(step, _inputs(inputs), earlier, seed)
    trial = asyncio.run(try_call(settings, call))
    fields = trial.as_json()
    show(fields, lambda: display.trial_view(fields), as_json=as_json)
    if trial.failure is not None:
        unreachable = trial.failure.code == "MODULE_UNREACHABLE"
        raise typer.Exit(ExitCode.UNREACHABLE if unreachable else ExitCode.NOT_COMPLETED)


@modules_app.command("check")
def check_module(  # noqa: PLR0913, PLR0917  # one parameter an option
    name: Name,
    inputs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Inputs that it accepts: a JSON object, or one by action name.")
    ] = None,
    upstream: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Earlier steps that it needs: a JSON object by step id, or a request.")
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only these requirements, such as OPS-ART-*; no verdict is kept. Repeatable."),
    ] = None,
    baseline: Annotated[Path | None, typer.Option(metavar="FILE", help="Known failures; a stale entry fails.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings too.")] = False,
    timeout: Timeout = None,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Show everything about each finding, on a terminal.")
    ] = False,
    modules_file: ModulesFile = None,
    as_json: AsJson = False,
) -> None:
    """Check a module against the contract, and keep the verdict. Pages and lists of modules show it."""
    settings = read_settings(modules_file=modules_file)
    module = _module(_catalogue(settings), name)
    given = [
        *(("--inputs", str(inputs)) if inputs else ()),
        *(("--upstream", str(upstream)) if upstream else ()),
        *(word for pattern in select or () for word in ("--select", pattern)),
        *(("--baseline", str(baseline)) if baseline else ()),
        *(("--strict",) if strict else ()),
        *(("--verbose",) if verbose else ()),
        *timeout_words(timeout),
        *(("--json",) if as_json else ()),
    ]
    raise typer.Exit(check_registered(module, settings, given, is_whole=not select))


@modules_app.command("serve")
def serve_module(  # noqa: PLR0913, PLR0917  # one parameter an option
    name: Name,
    modules_file: ModulesFile = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default OPS_HOST or 127.0.0.1.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on, 0 for a free one.")] = 8080,
    run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="A run with the earlier steps that requests lack.", autocompletion=complete_run_id),
    ] = None,
    runs_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the run is; default OPS_RUNS_DIR or ./runs.")
    ] = None,
    chain: Annotated[
        bool, typer.Option("--chain", help="Call the modules that an action needs, when a request lacks their answers.")
    ] = False,
) -> None:
    """Serve a module through its adapter. It then follows the contract, with GET /health and POST /execute."""
    from ops_orchestrator.service.server import serve_until_stopped  # noqa: PLC0415  # as above
    from ops_orchestrator.workbench.facade import create_facade  # noqa: PLC0415  # as above
    from ops_orchestrator.workbench.supply import FromRun  # noqa: PLC0415  # as above

    settings = read_settings(modules_file=modules_file, host=host, port=port, runs_dir=runs_dir)
    catalogue = _catalogue(settings)
    module = _module(catalogue, name)
    if run and chain:
        raise ConfigurationError("earlier steps come from --run or from --chain; give one of them")
    if module.adapter is None:
        raise ConfigurationError(f"{name} has no adapter: it follows the contract itself, at {module.address}")

    def announce(url: str) -> None:
        sys.stdout.write(f"{name} listens at {url}\nand calls {module.address} through its adapter\n")
        sys.stdout.flush()

    if run:
        with closing(existing_store(settings)) as store:
            run = find_run_id(store, run)
    before = cache(lambda *step: _run_before(settings, str(run), *step))
    supply = FromRun(before) if run else catalogue if chain else None
    serve_until_stopped(create_facade(module, settings, supply=supply), settings, announce)


def _run_before(settings: Settings, run: str, module: str, action: str) -> EarlierRun:
    with closing(existing_store(settings)) as store:
        return run_before(store, find_run_id(store, run), module, action)


async def _reloaded(settings: Settings) -> dict[str, Any]:
    async with ServiceClient.at(settings.url, settings.api_key) as service:
        return await service.reload_modules()


async def _listed(settings: Settings) -> list[dict[str, Any]]:
    async with ServiceClient.at(settings.url, settings.api_key) as service:
        return await service.modules()


def _catalogue(settings: Settings) -> Catalogue:
    return load_catalogue(settings.modules_file, os.environ)


def _module(catalogue: Catalogue, name: str) -> Module:
    if name not in catalogue.modules:
        hint = suggestion(name, catalogue.modules) or f"registered are: {', '.join(catalogue.modules) or 'none'}"
        raise ConfigurationError(f"there is no module {name!r} in modules.yaml; {hint}")
    return catalogue.modules[name]


def _inputs(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        inputs = parse_json(read_file(file))
        canonical_json(inputs)
    except (JsonError, NumberError) as error:
        raise ConfigurationError(f"{file}: {error}") from error
    if not isinstance(inputs, dict):
        raise ConfigurationError(f"{file}: the inputs must be a JSON object")
    return inputs
