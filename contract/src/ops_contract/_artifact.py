"""Artifacts: files that a module delivers, inline or by a path that the caller fetches."""

import base64
import binascii
import contextlib
import re
from functools import cached_property
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from ops_contract._artifact_name import ArtifactName
from ops_contract._base import ContractModel, Count, Sha256
from ops_contract._json import sha256_hex

__all__ = ["LONGEST_DESCRIPTION", "LONGEST_TITLE", "Artifact", "ArtifactRef", "Href", "MediaType"]

LONGEST_TITLE: Final = 200
"""How many characters the title of an artifact may have."""

LONGEST_DESCRIPTION: Final = 2000
"""How many characters the description of an artifact may have."""

_BASE64_PATTERN: Final = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"

# Takes a quarter of the time of the standard library's decoder.
_BASE64: Final = TypeAdapter(bytes, config=ConfigDict(val_json_bytes="base64"))

# A path could leave its folder by percent-encoded separators, dots and percent signs.
_HREF_CHARACTER: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%(?!2[eEfF5]|5[cC]|[01]|7[fF])[0-9A-Fa-f]{2})"
# A colon in the first segment would make it a scheme (RFC 3986, section 4.2).
_HREF_PATTERN: Final = rf"^(?![^/]*:)/?(?!\.\.?(?:/|$)){_HREF_CHARACTER}+(?:/(?!\.\.?(?:/|$)){_HREF_CHARACTER}+)*$"


def _check_href(href: str) -> str:
    if not re.fullmatch(_HREF_PATTERN.strip("^$"), href):
        raise ValueError(
            "href must be a plain path below the module's own base URL: URL characters, no scheme, query or fragment, "
            "no empty, '.' or '..' segment, and no '.', '/', '\\' or '%' that is percent-encoded"
        )
    return href


Href = Annotated[
    str, Field(min_length=1, max_length=2048, json_schema_extra={"pattern": _HREF_PATTERN}), AfterValidator(_check_href)
]
"""A path that is resolved against the module's own base URL and stays below it (OPS-ART-006)."""

MediaType = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[ -~]+)?$", max_length=255)]
"""A media type with optional parameters (RFC 6838, section 4.2)."""


class ArtifactRef(ContractModel):
    """An artifact without its bytes, as later steps see it in `upstream`."""

    name: ArtifactName
    media_type: MediaType
    size_bytes: Count
    sha256: Sha256


def _one_delivery(schema: dict[str, Any]) -> None:
    # With `oneOf`, code generators make several types of it, none of which is an artifact; and a strict validator wants
    # a `required` beside the properties that it names. A property whose schema is false is absent.
    schema["not"] = {"properties": {"data": False, "text": False, "href": False}}
    schema["dependentSchemas"] = {
        "data": {"properties": {"text": False, "href": False}},
        "text": {"properties": {"href": False}},
    }
    for field in ("data", "text", "href"):
        schema["properties"][field].pop("default")


class Artifact(ArtifactRef):
    """An artifact in an envelope: its description and exactly one of `data`, `text`, `href` (OPS-ART-001)."""

    model_config = ConfigDict(json_schema_extra=_one_delivery)

    title: Annotated[
        Annotated[str, Field(min_length=1, max_length=LONGEST_TITLE)] | None, Field(description="what a person calls it")
    ] = None
    description: Annotated[
        Annotated[str, Field(min_length=1, max_length=LONGEST_DESCRIPTION)] | None,
        Field(description="what it shows, for somebody who does not see it"),
    ] = None
    data: Annotated[str, Field(json_schema_extra={"pattern": _BASE64_PATTERN}, description="base64 (RFC 4648, section 4)")] = ""
    text: Annotated[str, Field(description="the content, in UTF-8")] = ""
    href: Href = ""

    @model_validator(mode="after")
    def _exactly_one_delivery(self) -> Self:
        given = self.model_fields_set & {"data", "text", "href"}
        if len(given) != 1:
            raise ValueError(f"exactly one of data, text, href must be given, not {', '.join(sorted(given)) or 'none'}")
        _ = self.inline_content  # raises ValueError when it is not base64
        return self

    @property
    def ref(self) -> ArtifactRef:
        """The same artifact without its bytes."""
        return ArtifactRef(name=self.name, media_type=self.media_type, size_bytes=self.size_bytes, sha256=self.sha256)

    @cached_property
    def inline_content(self) -> bytes | None:
        """The bytes in the envelope, decoded once, or None when they have to be fetched from `href`."""
        if "href" in self.model_fields_set:
            return None
        return _decode(self.data) if "data" in self.model_fields_set else self.text.encode()

    @classmethod
    def of(  # noqa: PLR0913  # the parts of a description, each by name
        cls,
        name: str,
        media_type: str,
        content: bytes,
        *,
        href: str | None = None,
        title: str | None = None,
        description: str | None = None,
    ) -> Self:
        """Describe `content`, delivered by `href` when given, else inline: UTF-8 text as `text`, the rest as base64."""
        words = {"title": title, "description": description}
        described = {
            "name": name,
            "media_type": media_type,
            "size_bytes": len(content),
            "sha256": sha256_hex(content),
            **{field: text for field, text in words.items() if text is not None},
        }
        if href is not None:
            return cls.model_validate({**described, "href": href})
        if media_type.startswith("text/") or media_type == "application/json":
            with contextlib.suppress(UnicodeDecodeError):
                return cls.model_validate({**described, "text": content.decode()})
        return cls.model_validate({**described, "data": base64.b64encode(content).decode()})


def _decode(data: str) -> bytes:
    # The library accepts surplus padding, with which the length is not a multiple of four.
    if len(data) % 4:
        raise ValueError("data is not base64: its length is not a multiple of four")
    # The quick decoder accepts the alphabet for URLs as well. What it refuses is judged by the other, which has the reason.
    if "-" not in data and "_" not in data:
        with contextlib.suppress(ValidationError):
            return _BASE64.validate_strings(data)
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"data is not base64: {error}") from error
