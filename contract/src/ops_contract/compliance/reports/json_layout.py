"""JSON with line ends and indentation for reading, otherwise exactly as it was sent."""

from typing import Final

_MOST_DEPTH: Final = 24
_INDENT: Final = "  "


def laid_out(text: str) -> str:
    """`text` with line ends and indentation; only white space changes, even when it is not valid JSON.

    Text that does not look like an object or a list, or is nested too deeply to be readable, stays as it is.
    """
    if text.lstrip()[:1] not in ("{", "["):
        return text
    parts: list[str] = []
    depth, in_string, escaped, just_opened = 0, False, False, False
    for character in text:
        if in_string:
            parts.append(character)
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
            continue
        if character.isspace():
            continue
        if character in "}]":
            depth -= 1
        if depth > _MOST_DEPTH or depth < 0:
            return text
        if just_opened != (character in "}]"):
            parts.append(_line(depth))
        parts.append({",": "," + _line(depth), ":": ": "}.get(character, character))
        just_opened, in_string = character in "{[", character == '"'
        depth += just_opened
    return "".join(parts)


def _line(depth: int) -> str:
    return "\n" + _INDENT * depth
