"""Tests of a module in the whole stack for whoever writes none: `pytest --pyargs ops_harness.stack_checks --ops-with ...`."""
