"""The templates of reports and pages: everything is escaped, and a name that is not given is an error."""

from functools import cache
from importlib.resources import files

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined

from ops_orchestrator.charts.words import typeset
from ops_orchestrator.runs.reports.html import wording

_PACKAGE = "ops_orchestrator.runs.reports.html"


def environment(*loaders: BaseLoader) -> Environment:
    """What templates are read with: those of `loaders`, and the parts of the report."""
    made = Environment(
        loader=ChoiceLoader([*loaders, PackageLoader(_PACKAGE)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "foreign": wording.foreign,
        "foreign_lines": wording.foreign_lines,
        "moment": wording.moment,
        "duration": wording.duration,
        "short_hash": wording.short_hash,
        "typeset": typeset,
    }
    made.globals |= {"counted": wording.counted, "seconds_between": wording.seconds_between}
    return made


@cache
def sheet() -> str:
    """The style sheet that report and pages share."""
    return files(_PACKAGE).joinpath("style.css").read_text(encoding="utf-8")
