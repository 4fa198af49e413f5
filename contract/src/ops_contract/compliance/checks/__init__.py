"""The checks, grouped by what they do with a module. Each observes the requirements that the catalogue assigns to it."""
