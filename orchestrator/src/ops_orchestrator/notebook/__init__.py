"""Stored runs as Python objects, for notebooks and scripts; `ops_orchestrator` has the functions and Run."""

from ops_orchestrator.notebook.functions import compare, diff, verify
from ops_orchestrator.notebook.run import Artifact, Run, open_run
from ops_orchestrator.notebook.tables import Comparison, FigureTable, RunFigure

__all__ = ["Artifact", "Comparison", "FigureTable", "Run", "RunFigure", "compare", "diff", "open_run", "verify"]
