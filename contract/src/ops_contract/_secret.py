"""Which names say that their value is a secret, for everything that keeps or shows values by name."""

import re
from typing import Final
from urllib.parse import unquote_plus, urlsplit, urlunsplit

__all__ = ["MASK", "is_secret", "masked_url"]

MASK: Final = "***"
"""What is shown in the place of a secret."""

_SECRET: Final = re.compile(
    # Not author, authored_by, authority; but authorization, also with an s.
    r"auth(?!or(?!i[sz]))"
    r"|token(?!i[sz])"
    # Not secretary, secretariat.
    r"|secret(?!ar)"
    r"|passw|passphrase|pwd|jwt|credential|cookie|session|signature|(^|[-_])sig$"
    r"|(api|access|account|encryption|functions|master|private|shared|signing|subscription)[-_]?key|^key$",
    re.IGNORECASE,
)
# What language models are asked for and bill: a number of tokens.
_TOKEN_COUNT: Final = re.compile(
    r"(max|min|num|total|prompt|completion|input|output|new)[-_]?tokens|tokens?[-_]?(count|limit)", re.IGNORECASE
)


def is_secret(name: str) -> bool:
    """Whether the name of a header, parameter, field or variable says that its value is a secret, whatever its case.

    A name that says so only by its context, such as `code` or `pass`, does not count.
    """
    return _SECRET.search(_TOKEN_COUNT.sub("", name)) is not None


def masked_url(url: str) -> str:
    """`url` with its password and the secret parameters of its query masked; nothing else of it is changed."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url  # not an address, for example the name of an image
    parameters = [parameter.partition("=") for parameter in parts.query.split("&")]
    query = "&".join(
        name + equals + (MASK if equals and is_secret(unquote_plus(name)) else value) for name, equals, value in parameters
    )
    user, at, host = parts.netloc.rpartition("@")
    if ":" in user:
        user = f"{user.partition(':')[0]}:{MASK}"
    netloc = f"{user}{at}{host}"
    return url if (query, netloc) == (parts.query, parts.netloc) else urlunsplit(parts._replace(query=query, netloc=netloc))
