"""The checks, grouped by what they do with a module. Each yields an observation for every requirement that belongs to it."""
