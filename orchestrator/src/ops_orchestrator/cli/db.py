"""`ops db`: the tables of the database that several processes share."""

import typer

from ops_contract.command_line import new_group, say, write
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.runs.cluster.database import lacking
from ops_orchestrator.runs.cluster.database import upgrade as upgraded
from ops_orchestrator.settings import read_settings

db_app = new_group("Prepare the database that several processes share.")


@db_app.command()
def upgrade() -> None:
    """Bring the tables in the database of OPS_DATABASE_URL to this version; what is there is kept."""
    done = upgraded(_url())
    ready = "The database is ready." if done else "The database is ready; nothing had to be done."
    write("".join(f"{sentence}\n" for sentence in (*done, ready)).encode())


@db_app.command()
def check() -> None:
    """Say whether the database of OPS_DATABASE_URL can be used as it is."""
    if (reason := lacking(_url())) is not None:
        say("ops", f"the database of OPS_DATABASE_URL {reason}; `ops db upgrade` prepares it")
        raise typer.Exit(ExitCode.NOT_COMPLETED)
    write(b"The database is ready.\n")


def _url() -> str:
    url = read_settings().database_url
    if url is None:
        raise ConfigurationError("OPS_DATABASE_URL is not set, such as postgresql://user:password@host:5432/ops")
    return url.get_secret_value()
