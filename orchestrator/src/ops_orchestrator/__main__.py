"""`python -m ops_orchestrator` is `ops`."""

from ops_orchestrator.cli.main import main

main()
