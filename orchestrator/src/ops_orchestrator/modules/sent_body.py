"""The body of a request as records and people see it: what it says, and of files their size and digest."""

from typing import Any, Final
from urllib.parse import parse_qsl

from ops_contract import JsonError, media_type_of, parse_json, sha256_hex
from ops_orchestrator.modules.adapters.multipart import BodyPart, parts_of

_FORM: Final = "application/x-www-form-urlencoded"
_LONGEST_FIELD: Final = 64 * 1024
# The request of a late step has the answers of all earlier ones.
_MOST_VALUES: Final = 4_000_000


def fields_of(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """The fields of a form, and those of a multipart body that are not files, with their names."""
    if media_type_of(content_type) == _FORM:
        return parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
    parts = parts_of(body, content_type) or ()
    return [(part.name, part.content.decode(errors="replace")) for part in parts if part.filename is None]


def shown_body(body: bytes, content_type: str) -> dict[str, Any]:
    """A body as the one of `body`, `form`, `multipart`, `text` and `binary` that says what it is; nothing for none.

    JSON is shown as it is, whatever its type. Bytes that are no text are shown as their size and SHA-256.
    """
    if not body:
        return {}
    if media_type_of(content_type) == _FORM:
        return {"form": _grouped(fields_of(body, content_type))}
    if (parts := parts_of(body, content_type)) is not None:
        return {"multipart": [_shown_part(part) for part in parts]}
    if not media_type_of(content_type).startswith("text/"):
        try:
            return {"body": parse_json(body, max_values=_MOST_VALUES)}
        except JsonError:
            pass
    text = _text(body)
    return {"binary": _digest(body)} if text is None else {"text": text}


def comparable_type(content_type: str) -> str:
    """A content type without the boundary of its parts, which is a digest of them."""
    return "multipart/form-data" if media_type_of(content_type) == "multipart/form-data" else content_type


def _grouped(fields: list[tuple[str, str]]) -> dict[str, Any]:
    """The values by name; those of a repeated name as a list."""
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _shown_part(part: BodyPart) -> dict[str, Any]:
    described = {"name": part.name, "filename": part.filename, "media_type": part.media_type}
    text = _text(part.content) if part.filename is None and len(part.content) <= _LONGEST_FIELD else None
    content = _digest(part.content) if text is None else {"text": text}
    return {name: value for name, value in described.items() if value is not None} | content


def _text(content: bytes) -> str | None:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _digest(content: bytes) -> dict[str, Any]:
    return {"size_bytes": len(content), "sha256": sha256_hex(content)}
