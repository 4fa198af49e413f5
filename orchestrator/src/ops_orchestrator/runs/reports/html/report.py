"""The report of a run as one HTML file that loads nothing and runs nothing, made from its folder alone."""

import re
from functools import cache
from typing import Final

from jinja2 import Template
from markupsafe import Markup

from ops_orchestrator.runs.reports.ended_run import ended_record
from ops_orchestrator.runs.reports.html.environment import environment, sheet
from ops_orchestrator.runs.reports.html.view import FolderLinks, ReportView
from ops_orchestrator.runs.store.protocols import StoredRun

POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What the report may do, as a Content-Security-Policy: show the pictures and the style that are in it."""

_NOT_IN_CSS: Final = re.compile(r"[^A-Za-z0-9_.-]")


def html_report(run: StoredRun) -> bytes:
    """The report of a run that is over; the same folder gives the same bytes.

    Raises ConflictError for a run that is not over, NotFoundError, DamagedRunError, StoreError. Blocking: some tens of
    milliseconds and the time to read the pictures.
    """
    record = ended_record(run, "a report")
    return (
        _template()
        .render(
            view=ReportView.of(run),
            links=FolderLinks(),
            policy=POLICY,
            sheet=Markup(sheet()),  # noqa: S704  # ours
            run_id_in_css=_NOT_IN_CSS.sub("", record.run_id),
        )
        .encode()
    )


@cache
def _template() -> Template:
    return environment().get_template("report.html")
