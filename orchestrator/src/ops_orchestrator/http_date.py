"""Dates as HTTP headers write them."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def parse_http_date(text: str) -> datetime | None:
    """The time that `text` names in one of HTTP's three forms (RFC 9110, section 5.6.7); None for what is not a date."""
    try:
        date = parsedate_to_datetime(text.strip())
    except (ValueError, TypeError, IndexError, OverflowError):  # what the library raises for what is not a date
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
