"""What is made of a sweep when it is over: its table in the forms that people use, and its charts."""

from typing import Any

import structlog

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.sweeps.sweep_place import SweepWriter
from ops_orchestrator.runs.sweeps.table import SweepTable
from ops_orchestrator.runs.sweeps.table_files import TABLE_CSV, TABLE_PARQUET, csv_of, parquet_of

_log: Any = structlog.get_logger("ops_orchestrator.sweep")


def write_derived(folder: SweepWriter, table: SweepTable) -> tuple[str, ...]:
    """Write the table of a sweep and its charts into its folder; returns sentences about what is not drawn.

    Blocking; raises StoreError.
    """
    folder.write(TABLE_CSV, csv_of(table))
    if (parquet := parquet_of(table)) is not None:
        folder.write(TABLE_PARQUET, [parquet])
    try:
        # Loaded for the first sweep that ends: a twentieth of the time in which the service starts.
        from ops_orchestrator.runs.sweeps.charts import write_charts  # noqa: PLC0415

        return write_charts(folder.write, table)
    except StoreError:
        raise
    except Exception:  # noqa: BLE001  # they are drawn from what modules sent, and the table has it all
        _log.exception("sweep.undrawn", sweep_id=table.sweep_id)
        return ("The charts could not be drawn; the log has the details.",)
