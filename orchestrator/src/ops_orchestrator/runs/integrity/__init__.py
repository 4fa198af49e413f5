"""The checks by which a run's folder proves that it is as it was written; `runs.verification` puts them together."""
