"""The beginning of a text that somebody else wrote and that may be of any length."""


def excerpt(text: str, most: int) -> str:
    """`text`, or its first `most` characters and how many follow."""
    return text if len(text) <= most else f"{text[:most]}... (and {len(text) - most:,} more characters)"
