"""What an artifact may be called: what the schema says, and what it cannot say (OPS-ART-005; SPEC.md, "Names")."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Annotated, Final

from pydantic import AfterValidator, Field

__all__ = ["ArtifactName", "unstorable_names"]

_FORBIDDEN_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_LONGEST_SEGMENT_BYTES: Final = 255
_DRIVE_LETTER: Final = re.compile(r"^[A-Za-z]:")
# The same for the schema.
_SEGMENT_CHARACTER: Final = r"[^\u0000-\u001f\u007f-\u009f\\/]"
_NAME_PATTERN: Final = rf"^(?![A-Za-z]:)(?!\.\.?(?:/|$)){_SEGMENT_CHARACTER}+(?:/(?!\.\.?(?:/|$)){_SEGMENT_CHARACTER}+)*$"


def _check_name(name: str) -> str:
    if found := _FORBIDDEN_CHARACTER.search(name):
        raise ValueError(f"an artifact name must not contain {found.group()!r}")
    if _DRIVE_LETTER.match(name):
        raise ValueError("an artifact name must not begin with a drive letter")
    for segment in name.split("/"):
        if segment in {"", ".", ".."}:
            raise ValueError(f"an artifact name must be relative, without the segment {segment!r}")
    return name


ArtifactName = Annotated[
    str, Field(min_length=1, max_length=255, json_schema_extra={"pattern": _NAME_PATTERN}), AfterValidator(_check_name)
]
"""Relative, `/`-separated, no empty, `.` or `..` segment, control character, backslash or drive letter (OPS-ART-005).

The schema says the same; `unstorable_names` says the rest.
"""


def unstorable_names(names: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The index of each name that cannot be stored, alone or beside those before it, and why (OPS-ART-005).

    A segment has more than 255 bytes in UTF-8; or two names are equal ignoring case and Unicode spelling, or one of them is a
    folder of the other, as in `a` and `a/b`.
    """
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for index, name in enumerate(names):
        longest = max(len(segment.encode()) for segment in name.split("/"))
        if longest > _LONGEST_SEGMENT_BYTES:
            yield index, f"{name!r} cannot be stored: a segment has {longest} bytes in UTF-8, a file name at most 255"
        # Some file systems take different spellings of one accented letter for the same name.
        key = unicodedata.normalize("NFC", name).casefold()
        parents = {key[:at] for at, character in enumerate(key) if character == "/"}
        if clash := files.get(key) or folders.get(key) or next((files[parent] for parent in parents if parent in files), None):
            yield index, f"{name!r} and {clash!r} cannot stand in one folder"
        files[key] = name
        folders |= dict.fromkeys(parents, name)
