"""What several machines share: an index of runs and a queue in PostgreSQL. Its libraries are those of the extra `cluster`."""
