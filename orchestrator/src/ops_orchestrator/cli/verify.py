"""`ops runs verify`: whether runs are as they were written, without a service."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer

from ops_orchestrator.cli.opened_run import opened_run
from ops_orchestrator.cli.progress_line import ProgressLine
from ops_orchestrator.cli.run_ids import complete_run_id, listed_ids
from ops_orchestrator.cli.run_store import existing_store
from ops_orchestrator.cli.tables import verification_view
from ops_orchestrator.cli.terminal import AsJson, on_terminal, show
from ops_orchestrator.errors import ConfigurationError, NotFoundError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.runs.events import NOT_OVER
from ops_orchestrator.runs.public_key import PublicKey
from ops_orchestrator.runs.store.all_runs import all_runs
from ops_orchestrator.runs.verification import Verification, has_ended, verify_run


def verify(
    *,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN|DIR|ZIP...",
            help="Runs as in `ops runs show`, or folders (with a slash in their paths) or zip files of runs.",
            autocompletion=complete_run_id,
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every run of the store that is over.")] = False,
    trust: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY", help="Runs must be signed with this public key: its file, or its base64; repeatable for several."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that a run is intact, without a service.

    Every file, event, document and fingerprint is compared with the others, and the signature is checked. Exits 1 when
    anything is not as it was written.
    """
    if every == bool(runs):
        raise ConfigurationError("name the runs to verify, or write --all for every run of the store")
    trusted = _trusted(trust or ())
    is_intact = _verify_all(trusted, as_json=as_json) if every else _verify_named(runs or (), trusted, as_json=as_json)
    if not is_intact:
        raise typer.Exit(ExitCode.NOT_COMPLETED)


def _verify_named(names: Sequence[str], trusted: Sequence[PublicKey], *, as_json: bool) -> bool:
    """Verify and show runs one after another; whether all are intact."""
    are_intact = True
    for name in names:
        with opened_run(name) as run:
            verification = verify_run(run, trusted)
        _show(verification, as_json=as_json)
        are_intact &= verification.is_intact
    return are_intact


def _verify_all(trusted: Sequence[PublicKey], *, as_json: bool) -> bool:
    """Verify the runs of the store, and show those that are not intact, or as JSON all; whether all are intact."""
    shows_all = as_json or not on_terminal()
    counts, left_out = Counter[str](), list[str]()
    with existing_store() as store, ProgressLine() as line:
        abandoned = store.abandoned()
        for listed in all_runs(store):
            with suppress(NotFoundError):  # it was removed meanwhile
                run = store.run(listed.run_id)
                # A run that is over may only say that it goes on.
                if listed.status in NOT_OVER and not (listed.run_id in abandoned and has_ended(run)):
                    left_out.append(listed.run_id)
                    continue
                verification = verify_run(run, trusted)
                counts["intact" if verification.is_intact else "not intact"] += 1
                if shows_all or not verification.is_intact:
                    line.clear()
                    _show(verification, as_json=as_json)
            line.show(f"Verified {counts.total():,} runs")
    if not shows_all:
        typer.echo(_summary(counts))
    if left_out:
        typer.echo(f"Left out because they are not over: {listed_ids(left_out)}", err=True)
    return not counts["not intact"]


def _show(verification: Verification, *, as_json: bool) -> None:
    show(verification.as_json(), lambda: verification_view(verification), as_json=as_json)


def _summary(counts: Counter[str]) -> str:
    checked = counts["intact"] + counts["not intact"]
    return f"{counts['intact']:,} of {checked:,} runs are intact"


def _trusted(names: Sequence[str]) -> list[PublicKey]:
    if not names:
        return []
    from ops_orchestrator.runs.signing import read_public_key  # noqa: PLC0415  # its library is not needed otherwise

    return [read_public_key(name) for name in names]
