"""Stubs as test doubles: answers that a test wrote, which of them a request gets, and what is asked of the journal."""
