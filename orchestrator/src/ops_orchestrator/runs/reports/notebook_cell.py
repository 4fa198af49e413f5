"""A run as a cell of a Python notebook, which makes tables of its results with pandas."""

from typing import Final

from ops_orchestrator.excerpt import one_line
from ops_orchestrator.runs.record import RESULTS
from ops_orchestrator.runs.reports.ended_run import ended_record
from ops_orchestrator.runs.store.protocols import StoredRun

_CELL: Final = '''\
# {title}, as tables. Needs pandas.
import json
from urllib.request import urlopen

import pandas as pd

# A file, or what a service answers, such as http://127.0.0.1:8000/runs/{run_id}/results
SOURCE = {source}

with urlopen(SOURCE) if "://" in SOURCE else open(SOURCE, "rb") as file:
    steps = json.load(file)["steps"]


def named(outputs, name):
    """The values that a module gives for its key figures under one name; none if it gives none."""
    values = outputs.get(name)
    return values if isinstance(values, dict) else {{}}


# The key figures of all steps: one row for each.
figures = pd.DataFrame(
    [
        {{
            "step": step,
            "key": key,
            "label": named(answer["outputs"], "labels").get(key, key),
            "unit": named(answer["outputs"], "units").get(key),
            "value": value,
            "baseline": named(answer["outputs"], "baseline").get(key),
            "change": named(answer["outputs"], "change").get(key),
        }}
        for step, answer in steps.items()
        for key, value in named(answer["outputs"], "kpis").items()
    ],
    columns=["step", "key", "label", "unit", "value", "baseline", "change"],
)

# The figures over time: one row for each step and period, with columns such as scenario.gdp_growth.
series = pd.json_normalize(
    [
        {{"step": step, **row}}
        for step, answer in steps.items()
        if isinstance(answer["outputs"].get("path"), list)
        for row in answer["outputs"]["path"]
        if isinstance(row, dict)
    ]
)

# The files that the modules delivered. A path is relative to the folder of the run.
artifacts = pd.DataFrame(
    [{{"step": step, **artifact}} for step, answer in steps.items() for artifact in answer["artifacts"]],
    columns=["step", "name", "media_type", "size_bytes", "sha256", "path"],
)
{table}
figures
'''
_TABLE: Final = """
# The run belongs to a sweep, whose table has a row for each of its runs.
table = pd.read_csv({table})
"""


def notebook_cell(run: StoredRun) -> str:
    """Python that reads the results of `run` from where they are now, from the current folder if they are in an archive.

    Raises ConflictError for a run that is not over, StoreError.
    """
    record = ended_record(run, "a script")
    folder = run.location.absolute()
    results, table = folder / RESULTS, folder.parent / "sweeps" / str(record.sweep) / "table.csv"
    return _CELL.format(
        title=one_line(f"{record.run_id}, a run of {record.scenario_id}"),
        run_id=record.run_id,
        source=ascii(str(results) if results.is_file() else RESULTS),
        table=_TABLE.format(table=ascii(str(table))) if record.sweep else "",
    )
