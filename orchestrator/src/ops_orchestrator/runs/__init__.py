"""What happens in a run, and what is kept of it."""
