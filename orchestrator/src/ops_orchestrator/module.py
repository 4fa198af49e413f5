"""A module as the operator registers it."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field

from ops_contract import ContractModel, Count, Identifier


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError as error:
        raise ValueError(f"must be like http://host:port ({error})") from error
    if parts.scheme not in {"http", "https"} or not host or port == 0 or parts.query or parts.fragment:
        raise ValueError("must be like http://host:port or http://host:port/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or password; addresses stand in answers, logs and records")
    if not url.isprintable() or " " in url:
        raise ValueError("must not hold blanks or control characters")
    return url


class CallOptions(ContractModel):
    """How a module is called; each can be set for all modules under `defaults` and for one."""

    model_config = ConfigDict(extra="forbid")

    timeout_s: Annotated[float, Field(gt=0, description="seconds one attempt may take, artifacts included")] = 60.0
    ready_timeout_s: Annotated[float, Field(ge=0, description="seconds to wait for `/health` before a step")] = 30.0
    retries: Annotated[
        Count, Field(le=100, description="attempts after the first, for transport errors and retryable answers")
    ] = 2
    backoff_s: Annotated[float, Field(ge=0, description="seconds before the first retry; doubles with each")] = 0.5


class Module(CallOptions):
    """One entry of modules.yaml."""

    name: Identifier
    url: Annotated[str, Field(description="base URL; `/health` and `/execute` are below it"), AfterValidator(_address)]
    image_digest: Annotated[str | None, Field(description="digest of the image behind the URL, where it is known")] = None
    actions: Annotated[
        tuple[Identifier, ...], Field(strict=False, min_length=1, description="what a plan may ask the module for")
    ] = ("execute",)

    @property
    def default_action(self) -> str | None:
        """What a step asks for that names no action: `execute`, or the only one there is."""
        return "execute" if "execute" in self.actions else self.actions[0] if len(self.actions) == 1 else None

    def at(self, path: str) -> str:
        """The address of `path` below the module's base URL."""
        return f"{self.url.rstrip('/')}/{path.lstrip('/')}"
