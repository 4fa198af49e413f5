"""The database that several processes share: whether it can be used as it is. Reads alone."""

from collections.abc import Iterator

from ops_orchestrator.cli.doctor.finding import Finding
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.runs.cluster.database import lacking, living_workers
from ops_orchestrator.settings import Settings


def database(settings: Settings) -> Iterator[Finding]:
    """What there is to say of the database, if there is to be one."""
    if settings.database_url is None:
        return
    url = settings.database_url.get_secret_value()
    try:
        reason = lacking(url)
    except ConfigurationError as error:
        yield Finding("wrong", "database", str(error))
        return
    if reason is not None:
        yield Finding("wrong", "database", f"it {reason}", "`ops db upgrade` prepares it")
        return
    yield Finding("ok", "database", "its tables are those of this version")
    yield _workers(living_workers(url, settings.stalled_s))


def _workers(count: int) -> Finding:
    if count:
        return Finding("ok", "workers", f"{count:,} {'gives' if count == 1 else 'give'} signs of life")
    return Finding("warning", "workers", "none gives signs of life: runs wait until one does", "`ops worker` starts one")
