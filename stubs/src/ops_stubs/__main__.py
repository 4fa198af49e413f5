"""`python -m ops_stubs` is `ops-stubs`."""

from ops_stubs.cli import main

if __name__ == "__main__":
    main()
