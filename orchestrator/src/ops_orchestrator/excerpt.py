"""A text that somebody else wrote, which may be of any length and hold any character, as it can be quoted."""


def excerpt(text: str, most: int) -> str:
    """`text`, or its first `most` characters and how many follow."""
    return text if len(text) <= most else f"{text[:most]}... (and {len(text) - most:,} more characters)"


def one_line(text: str) -> str:
    """`text` as one line of printable characters: whatever else it holds counts as a space."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
