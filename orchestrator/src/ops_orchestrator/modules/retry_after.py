"""How long a module asks to be left alone."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from ops_orchestrator.exchange import Exchange
from ops_orchestrator.http_date import parse_http_date

# The commas of dates, and between the values of a repeated header.
_VALUES: Final = re.compile(r"\s*(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,)?[^,]+")


def retry_after_s(exchange: Exchange) -> float:
    """The longest of the waits that Retry-After names (RFC 9110, section 10.2.3); 0 when it names none."""
    now = next(_dates(exchange.headers.get("date", "")), datetime.now(UTC))
    header = exchange.headers.get("retry-after", "")
    seconds = [float(value) for value in map(str.strip, header.split(",")) if value.isascii() and value.isdecimal()]
    return max([0.0, *seconds, *((date - now).total_seconds() for date in _dates(header))])


def _dates(header: str) -> Iterator[datetime]:
    return filter(None, map(parse_http_date, _VALUES.findall(header)))
