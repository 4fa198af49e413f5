"""The database that several processes share: whether it can be used as it is. Reads alone."""

from collections.abc import Iterator

from ops_orchestrator.cli.doctor.finding import Finding
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.runs.cluster.database import lacking
from ops_orchestrator.settings import Settings


def database(settings: Settings) -> Iterator[Finding]:
    """What there is to say of the database, if there is to be one."""
    if settings.database_url is None:
        return
    try:
        reason = lacking(settings.database_url.get_secret_value())
    except ConfigurationError as error:
        yield Finding("wrong", "database", str(error))
        return
    if reason is not None:
        yield Finding("wrong", "database", f"it {reason}", "`ops db upgrade` prepares it")
        return
    yield Finding("ok", "database", "its tables are those of this version")
