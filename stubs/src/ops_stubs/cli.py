"""The command `ops-stubs`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from ops_contract import suggestion
from ops_contract.command_line import completing, new_command, print_json, run, say
from ops_stubs.catalogue import LEGACY, STUBS
from ops_stubs.cli_drift import drift
from ops_stubs.cli_record import record
from ops_stubs.errors import FaultError, RecordingError
from ops_stubs.faults import KINDS, VARIANTS, VIOLATIONS, Faults
from ops_stubs.faults.container import DEFAULT_PORT, IGNORES_SIGTERM, LISTENS_LOCALLY, NEEDS_ROOT, is_hardened, local_host
from ops_stubs.legacy_archive import DEFAULT_SHARED_DIR
from ops_stubs.module import Neighbour, Stub
from ops_stubs.serving import address_of, bind, run_server

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["main"]

_NAMES: Final = (*STUBS, LEGACY.name)

cli = new_command("ops-stubs", "openpolicystack-stubs", "Stand-ins for the modules of OpenPolicyStack.")


@cli.command()
def serve(  # noqa: PLR0913, PLR0917 - the options of a command
    module: Annotated[
        str | None,
        typer.Argument(
            help="One module at the root; without it, all of them below /<module>.", autocompletion=completing(lambda _: _NAMES)
        ),
    ] = None,
    run_folder: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER", help="Answer as in this run, or as in what `record` kept; and nothing else."),
    ] = None,
    host: Annotated[str, typer.Option(envvar="OPS_HOST", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="OPS_PORT", min=0, max=65535, help="The port to listen on; 0 picks a free one.")
    ] = DEFAULT_PORT,
    shared_dir: Annotated[
        Path, typer.Option(envvar="OPS_STUBS_SHARED_DIR", help="Where the legacy service keeps its archive.")
    ] = DEFAULT_SHARED_DIR,
    violate: Annotated[
        list[str] | None,
        typer.Option(
            envvar="OPS_STUBS_VIOLATE",
            metavar="ID",
            help="Break this requirement of the contract; repeatable.",
            autocompletion=completing(lambda _: VIOLATIONS | VARIANTS),
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAULT",
            help="A transport fault, as in latency:ms=200,first=2; repeatable.",
            autocompletion=completing(lambda _: KINDS),
        ),
    ] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="Serve /__stub, where tests stage faults and read the requests.")
    ] = False,
    doubles: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Stage the faults and answers in this JSON file, and serve /__stub."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every request.")] = False,
) -> None:
    """Serve one stub or all of them, until stopped. With --from, serves one module or service as it was recorded."""
    if module is not None and module not in _NAMES and run_folder is None:
        raise typer.BadParameter(_unknown(module), param_hint="MODULE")
    serves_all = module is None and run_folder is None
    is_one_staged = violate or fault or doubles or (admin and not serves_all)
    faults = _faults(module, _listed(violate), fault or [], doubles, executes=run_folder is None) if is_one_staged else None
    staged = [] if faults is None else [violation.id for violation in faults.violations]
    if NEEDS_ROOT in staged and is_hardened():
        say("ops-stubs", f"{NEEDS_ROOT} is staged: this stub needs root's rights or a root file system to write to")
        raise typer.Exit(1)
    app = _application(module, shared_dir, faults, admin=admin) if run_folder is None else _replay(module, run_folder, faults)
    bound = bind(local_host(host, port) if LISTENS_LOCALLY in staged else host, port)

    def announce() -> None:
        what = module or ("a service" if run_folder else f"{len(STUBS)} modules, each below its name,")
        what += f" as recorded in {run_folder.resolve().name}" if run_folder else ""
        typer.echo(f"serving {what} at {address_of(bound)}")
        if faults is not None:
            transport = fault or [each.kind.name for each in faults.transport]
            what = ", ".join([*staged, *transport, *faults.answers.summary()]) or "nothing yet"
            typer.echo(f"staged: {what}; admin API at /__stub", err=True)
        elif admin:
            typer.echo("staged: nothing yet; admin API of each module at /<module>/__stub", err=True)

    is_deaf = IGNORES_SIGTERM in staged
    run_server(app, bound, announce, verbose=verbose, is_staged=admin or faults is not None, is_deaf=is_deaf)


@cli.command(name="list")
def list_modules(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """List what can be served, the modules first."""
    rows = _rows()
    if as_json:
        print_json(rows)
        return
    width = max(len(name) for name in _NAMES)
    for row in rows:
        kind = "before the contract" if row["follows_contract"] else "does not follow the contract"
        bare = f" ({kind}: {', '.join(row['bare'])})" if row["bare"] else ""
        typer.echo(f"{row['module']:<{width}}  {row['version']}  {row['summary']}{bare}")


@cli.command(name="faults")
def list_faults(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """List the requirements and transport faults that can be staged."""
    violations = sorted(VIOLATIONS.values(), key=lambda violation: violation.id)
    if as_json:
        rows = [{"id": each.id, "broken": each.broken, "seen": each.seen} for each in violations]
        kinds = [{"kind": each.name, "sentence": each.sentence, "parameters": dict(each.defaults)} for each in KINDS.values()]
        plan = {"path": "/execute", "skip": 0, "first": None, "every": None}
        variants = [{"id": each.id, "broken": each.broken} for each in VARIANTS.values()]
        print_json({"violations": rows, "variants": variants, "faults": kinds, "plan": plan})
        return
    for violation in violations:
        typer.echo(f"{violation.id}  {violation.broken}\n{'':13}seen: {violation.seen}")
    for variant in VARIANTS.values():
        typer.echo(f"{variant.id}  {variant.broken}")
    for kind in KINDS.values():
        parameters = ",".join(f"{name}={value}" for name, value in kind.defaults.items())
        typer.echo(f"{kind.name:<13}{kind.sentence}" + (f"\n{'':13}{kind.name}:{parameters}" if parameters else ""))
    typer.echo("every fault also takes path (/execute), skip, first and every, as in status:code=503,first=2")


cli.command()(drift)
cli.command()(record)


def main() -> NoReturn:
    """The entry point. Exit codes: 0 done, 1 no address or drift, 2 usage, 3 no module, 4 our bug, 130 interrupted."""
    run(cli, "ops-stubs", lambda _: None)


def _rows() -> list[dict[str, Any]]:
    modules = [
        {**_row(stub), "follows_contract": True, "actions": list(stub.actions), "bare": list(stub.bare)}
        for stub in STUBS.values()
    ]
    return [*modules, {**_row(LEGACY), "follows_contract": False, "actions": [], "bare": list(LEGACY.paths)}]


def _row(served: Stub | Neighbour) -> dict[str, Any]:
    return {"module": served.name, "version": served.version, "summary": served.summary}


def _faults(module: str | None, violate: list[str], transport: list[str], doubles: Path | None, *, executes: bool) -> Faults:
    if executes and module not in STUBS:
        raise typer.BadParameter(f"faults are staged in one module; name one: {', '.join(STUBS)}", param_hint="MODULE")
    if doubles is not None and (violate or transport):
        raise typer.BadParameter("the file takes violate and faults, too; put them there", param_hint="--doubles")
    try:
        faults = Faults(violate, transport, executes=executes)
        if doubles is not None:
            # Loaded here, because no other command needs it.
            from ops_stubs.faults.doubles.settings import stage_file  # noqa: PLC0415 - see above

            faults.file = doubles
            stage_file(faults, doubles, running=False)
    except FaultError as error:
        raise typer.BadParameter(str(error)) from error
    return faults


def _listed(values: list[str] | None) -> list[str]:
    """The ids in `values`, each of which may hold several with commas between them, as the environment variable does."""
    return [name for value in values or [] for name in value.replace(",", " ").split()]


def _unknown(module: str) -> str:
    hint = " ".join(filter(None, (suggestion(module, _NAMES), f"known: {', '.join(_NAMES)}")))
    return f"no module is called {module!r}; {hint}"


# The functions below load a web framework, which `list` and usage errors do not need.
def _application(module: str | None, shared_dir: Path, faults: Faults | None, *, admin: bool) -> "Starlette":
    from ops_stubs.app import create_all, create_named  # noqa: PLC0415 - see above

    return create_named(module, shared_dir, faults) if module else create_all(shared_dir=shared_dir, admin=admin)


def _replay(module: str | None, run: Path, faults: Faults | None) -> "Starlette":
    from ops_stubs.app import create_proxied, create_replay  # noqa: PLC0415 - see above
    from ops_stubs.proxied import ProxiedFolder, is_proxied  # noqa: PLC0415 - see above
    from ops_stubs.proxied_replay import ProxiedReplay  # noqa: PLC0415 - see above
    from ops_stubs.recording import read_recording  # noqa: PLC0415 - see above
    from ops_stubs.replay import Replay  # noqa: PLC0415 - see above

    try:
        if is_proxied(run):
            if module is not None:
                raise typer.BadParameter(f"{run} holds one service, which needs no name; leave it out", param_hint="MODULE")
            return create_proxied(ProxiedReplay(ProxiedFolder(run)), faults=faults)
        recording = read_recording(run)
        if module is None:
            raise typer.BadParameter(f"--from serves one module; name one: {', '.join(recording.modules)}", param_hint="MODULE")
        return create_replay(Replay(recording, module), faults=faults)
    except RecordingError as error:
        raise typer.BadParameter(str(error), param_hint="--from") from error
