"""`ops keys make`: the keys that runs are signed with."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group

from ops_orchestrator.cli.display import plain
from ops_orchestrator.cli.terminal import AsJson, show
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.runs.signing import make_keys, public_key_in


def make(
    to: Annotated[
        Path, typer.Option(metavar="FILE", help="Where the private key goes; the public one goes into FILE.pub.")
    ] = Path("ops-signing-key"),
    as_json: AsJson = False,
) -> None:
    """Make a pair of keys that runs are signed with.

    The service signs with the private one, and others verify with the public one. Keys to use the service: `ops keys add`.
    """
    public_file = to.with_name(f"{to.name}.pub")
    private, public = make_keys()
    for file in (to, public_file):
        if os.path.lexists(file):
            raise ConfigurationError(f"{file} exists already, and a key is never replaced; name another file with --to")
    _write(to, private, 0o600)
    _write(public_file, public, 0o644)
    key = public_key_in(public)
    made = {"private_key": str(to), "public_key": str(public_file), "fingerprint": key.fingerprint}
    show(made, lambda: _next_steps(to, public_file, key.fingerprint), as_json=as_json)


def _write(file: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)


def _next_steps(private: Path, public: Path, fingerprint: str) -> Group:
    return Group(
        plain(f"The private key is in {private}. Keep it secret, and a copy of it safe."),
        plain(f"The public key is in {public}, its fingerprint is {fingerprint}. Give it to those who verify your runs."),
        plain(""),
        plain(f"  sign:    OPS_SIGNING_KEY={shlex.quote(str(private))} ops serve"),
        plain(f"  verify:  ops runs verify latest --trust {shlex.quote(str(public))}"),
    )
