"""`python -m ops_orchestrator` is `ops`."""

from ops_orchestrator.cli.command import main

main()
