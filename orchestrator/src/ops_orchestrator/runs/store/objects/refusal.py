"""What an object store said when it refused a request, in words for people, and what helps."""

import re
from typing import Final

_LONGEST: Final = 400
_STATUS: Final = re.compile(r"status code: (\d{3})\b")
_CODE: Final = re.compile(r"<Code>([^<]+)</Code>")
_MESSAGE: Final = re.compile(r"<Message>([^<]+)</Message>")
_NO_BUCKET: Final = "NoSuchBucket"
_FULL: Final = re.compile("full|quota|exceeded", re.IGNORECASE)


def refusal(error: Exception) -> str:
    """Why a request failed, from what obstore says of it, which names addresses, times and sources."""
    text = str(error)
    status, code, message = (found and found.group(1) for found in (each.search(text) for each in (_STATUS, _CODE, _MESSAGE)))
    if status is None:
        # What comes after it repeats it for programmers.
        return " ".join(text.partition("\n\nDebug source")[0].split())[:_LONGEST]
    told = ", ".join(filter(None, (code, message)))[:_LONGEST]
    cure = _cure(status, code or "")
    return f"it answers {status}{f' ({told})' if told else ''}{f'; {cure}' if cure else ''}"


def says_that_there_is_no_bucket(error: Exception) -> bool:
    """Whether it is not an object that is missing, but all of them."""
    return _NO_BUCKET in str(error)


def _cure(status: str, code: str) -> str | None:
    if code == _NO_BUCKET:
        return "make the bucket, or correct OPS_RUNS_URL"
    if status in ("401", "403"):
        return "see that AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are valid, and may read, list, write and delete there"
    if status == "507" or _FULL.search(code):
        return "make room in the bucket, or raise its quota"
    return None
