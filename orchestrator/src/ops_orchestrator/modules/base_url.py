"""The base URL of a module or of the service, as modules.yaml and the settings hold it."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from ops_contract import base_url_problem


def checked_base_url(url: str) -> str:
    """The URL itself. Raises ValueError, or PydanticCustomError with a complete message, for one that is not allowed."""
    problem = base_url_problem(url)
    if "@" in url and (problem or "@" in urlsplit(url).netloc):
        # A complete message: pydantic's own would show the password.
        message = "must not hold a user name or password; addresses stand in answers, messages, logs and records"
        raise PydanticCustomError("complete", message)
    if problem:
        raise ValueError(problem)
    return url


BaseUrl = Annotated[str, AfterValidator(checked_base_url)]
