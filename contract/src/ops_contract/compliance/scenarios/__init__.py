"""The checks, grouped by what they do with a module. Each scenario emits an observation for every id that it names."""
