"""The office of the legacy service: `POST /assess` takes a form, `POST /review` an upload, `POST /decide` what came of both.

Scores are synthetic: they depend on the country and the sectors alone.
"""

import hashlib
from collections.abc import Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Final
from urllib.parse import parse_qs

from ops_stubs import noise
from ops_stubs.countries import country_of
from ops_stubs.errors import BareError

__all__ = ["assess", "decide", "review"]

_MOST_SECTORS: Final = 20
_GOOD: Final = 50.0
_FORM: Final = "application/x-www-form-urlencoded"


def assess(body: bytes, content_type: str) -> dict[str, Any]:
    """The score of `iso` in each `sector` of a form, and their mean.

    Raises BareError: 415 for another content type, 400 with the errors by field.
    """
    if content_type.partition(";")[0].strip().lower() != _FORM:
        raise BareError(415, {"errors": {"form": ["send a form"]}})
    fields = parse_qs(body.decode(errors="replace"), max_num_fields=100)
    country, sectors = country_of(fields.get("iso", [""])[0]), fields.get("sector", [])[:_MOST_SECTORS]
    if country is None or not sectors:
        wrong = {"iso": [] if country else ["unknown country"], "sector": [] if sectors else ["choose at least one"]}
        raise BareError(400, {"errors": {name: texts for name, texts in wrong.items() if texts}})
    scores = {sector: round(noise.generator("legacy", "assess", country.code, sector).uniform(20, 80), 1) for sector in sectors}
    return {"points": scores, "total": round(sum(scores.values()) / len(scores), 1)}


def review(body: bytes, content_type: str) -> dict[str, Any]:
    """What came in the parts of an upload: the `document`, and the `remark` of who sent it.

    Raises BareError: 415 for another content type, 400 without a document that is a PDF.
    """
    parts = _parts(body, content_type)
    document = parts.get("document")
    content = document.get_payload(decode=True) if document else b""
    if document is None or not isinstance(content, bytes) or not content.startswith(b"%PDF-"):
        raise BareError(400, {"errors": {"document": ["upload a PDF"]}})
    remark = parts["remark"].get_payload(decode=True) if "remark" in parts else b""
    return {
        "file": document.get_filename(),
        "type": document.get_content_type(),
        "bytes": len(content),
        "digest": hashlib.sha256(content).hexdigest(),
        "remark": remark.decode(errors="replace") if isinstance(remark, bytes) else "",
    }


def decide(body: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the `total` of an assessment is good enough. Raises BareError 400 when it is not a number."""
    total = body.get("total")
    if isinstance(total, bool) or not isinstance(total, int | float):
        raise BareError(400, {"errors": {"total": ["must be a number"]}})
    return {"go": total >= _GOOD, "because": f"{total:g} of 100 points; {_GOOD:g} are needed"}


def _parts(body: bytes, content_type: str) -> dict[str, EmailMessage]:
    """The parts of a body of the type multipart/form-data by name."""
    if not content_type.lower().startswith("multipart/form-data"):
        raise BareError(415, {"errors": {"document": ["send multipart/form-data"]}})
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", errors="replace")
    message = message_from_bytes(head + body, policy=policy.HTTP)
    parts = message.iter_parts() if isinstance(message, EmailMessage) else ()
    named = ((part.get_param("name", header="content-disposition"), part) for part in parts)
    return {str(name): part for name, part in named if name and isinstance(part, EmailMessage)}
