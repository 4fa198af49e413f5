"""`python -m ops_orchestrator` is `ops`."""

from ops_orchestrator.cli import main

main()
