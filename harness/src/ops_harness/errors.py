"""The one error of the harness."""


class HarnessError(Exception):
    """The stack cannot be started or asked as a test wants it; the message says what to do."""
