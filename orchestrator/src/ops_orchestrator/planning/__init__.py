"""From a scenario to the steps that it comes down to: pure, no network, no files."""
