"""`ops keys add`, `list` and `revoke`: who may use the service, as its file of keys says it."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group

from ops_contract import suggestion
from ops_orchestrator.cli.age import read_age
from ops_orchestrator.cli.display import plain
from ops_orchestrator.cli.tables import plain_table
from ops_orchestrator.cli.terminal import AsJson, show
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.service.access.api_key import NAME, ApiKey, NewKey
from ops_orchestrator.service.access.keys_file import changing, read_keys
from ops_orchestrator.settings import read_settings

_USUAL: Final = Path("api-keys/keys.json")
"""Where keys are unless a setting says where; compose.yaml gives this folder to the service."""


class Allowed(StrEnum):
    """What a key may do."""

    read = "read"
    run = "run"
    admin = "admin"


Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is; the name stands in the record of runs.")]
File = Annotated[Path | None, typer.Option(metavar="FILE", help=f"The file of keys; default OPS_API_KEYS_FILE or {_USUAL}.")]


def add(
    name: Name,
    scope: Annotated[
        Allowed, typer.Option(help="read: look at everything; run: start, cancel and resume, too; admin: everything.")
    ],
    expires: Annotated[
        str | None, typer.Option(metavar="AGE", help="How long it counts, such as 36h, 90d or 12w; default without end.")
    ] = None,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key, with which somebody may use the service, and show it once.

    A service that runs knows it at once. Keys that runs are signed with: `ops keys make`.
    """
    if not NAME.fullmatch(name):
        rule = "1 to 64 letters, digits and . _ @ - and begins with a letter or a digit"
        raise ConfigurationError(f"the name of a key has {rule}, not {name!r:.100}")
    ends = None
    if expires is not None:
        ends = datetime.now(UTC).replace(microsecond=0) + read_age("--expires", expires)
    target = _file(file)
    with changing(target) as keys:
        if any(key.name == name for key in keys):
            hint = "choose another name, or revoke that key first with `ops keys revoke`"
            raise ConfigurationError(f"{target} has a key of {name} already; {hint}")
        while (made := NewKey.make(name, scope.value, ends)).key.id in {key.id for key in keys}:
            pass
        keys.append(made.key)
    show(_described(made.key) | {"token": made.token}, lambda: _made(made, target), as_json=as_json)


def list_keys(file: File = None, as_json: AsJson = False) -> None:
    """List the API keys: name, public id, scope, when each was made and when it expires."""
    keys = _present(_file(file))
    rows = [(key.name, key.id, key.scope, _day(key.created_at), _expiry(key)) for key in keys]
    columns = ("name", "id", "scope", "made", "expires")
    show({"keys": [_described(key) for key in keys]}, lambda: plain_table(columns, rows), as_json=as_json)


def revoke(name: Name, file: File = None, as_json: AsJson = False) -> None:
    """Revoke an API key: a service that runs refuses it at once, and ends the sessions of browsers that it began."""
    target = _file(file)
    _present(target)
    with changing(target) as keys:
        gone = next((key for key in keys if key.name == name), None)
        if gone is None:
            names = [key.name for key in keys]
            hint = suggestion(name, names) or "`ops keys list` lists those that there are"
            raise ConfigurationError(f"{target} has no key of {name!r:.100}; {hint}")
        keys.remove(gone)
    show({"revoked": _described(gone)}, lambda: plain(f"The key of {name} is revoked."), as_json=as_json)


def _file(file: Path | None) -> Path:
    return file or read_settings().api_keys_file or _USUAL


def _present(file: Path) -> tuple[ApiKey, ...]:
    try:
        return read_keys(file)
    except FileNotFoundError as error:
        hint = "make the first key with `ops keys add`, or name another file with --file"
        raise ConfigurationError(f"there is no file of keys {file}; {hint}") from error


def _described(key: ApiKey) -> dict[str, Any]:
    return key.model_dump(mode="json", exclude={"hash"})


def _day(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _expiry(key: ApiKey) -> str:
    if key.expires_at is None:
        return "never"
    return f"{_day(key.expires_at)}{', expired' if key.is_expired else ''}"


def _made(made: NewKey, file: Path) -> Group:
    expiry = "It does not expire" if made.key.expires_at is None else f"It expires {_day(made.key.expires_at)}"
    return Group(
        plain(f"The key of {made.key.name}, with the scope {made.key.scope}. It is shown only now:"),
        plain(""),
        plain(f"  {made.token}"),
        plain(""),
        plain(f"{expiry}; its hash is in {file}. A service that uses the file knows it at once:"),
        plain(""),
        plain(f"  serve:     OPS_API_KEYS_FILE={file} ops serve"),
        plain("  commands:  take it from OPS_API_KEY, in the environment or in .env"),
        plain("  programs:  send it as `Authorization: Bearer KEY`"),
        plain("  browsers:  ask for it"),
    )
