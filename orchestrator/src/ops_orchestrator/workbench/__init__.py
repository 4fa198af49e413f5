"""One call without a run, and a module served through its adapter."""
