"""Sweeps: one scenario run for many values and seeds, kept in a folder that points to its runs."""
