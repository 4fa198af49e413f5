"""A module as the operator registers it."""

from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import Field

from ops_contract import Identifier, is_secret, request_target
from ops_orchestrator.masking import Secrets
from ops_orchestrator.modules.adapters.declaration import Adapter
from ops_orchestrator.modules.adapters.names import EVERYTHING
from ops_orchestrator.modules.adapters.need import NEEDS, Need, roles_read
from ops_orchestrator.modules.base_url import BaseUrl
from ops_orchestrator.modules.call_options import LONGEST_BACK_OFF_S, CallOptions

# A mapping that reads one of them may use the answer of any step.
_ALL_EARLIER: Final = frozenset({EVERYTHING, ("upstream",)})
# Each answer has the same few headers.
_is_secret = lru_cache(maxsize=1024)(is_secret)


class Module(CallOptions):
    """One entry of modules.yaml."""

    name: Identifier
    url: Annotated[BaseUrl, Field(description="base URL; `/health` and `/execute` are below it")]
    image_digest: Annotated[str | None, Field(description="digest of the image behind the URL, where it is known")] = None
    actions: Annotated[
        tuple[Identifier, ...],
        Field(strict=False, fail_fast=True, min_length=1, description="the actions that a step may name"),
    ] = ("execute",)
    adapter: Annotated[Adapter | None, Field(description="how we talk to it, when that is not the contract")] = None

    @cached_property
    def secrets(self) -> Secrets:
        """The values in the entry that nobody may see. Not a field: modules.yaml cannot set it, and no dump shows it."""
        return Secrets()

    @cached_property
    def earlier_deadlines(self) -> Mapping[str, float]:
        """What `deadline_s` says in requests of a resumed run, by action. Not a field: as `secrets`."""
        return {}

    @cached_property
    def jobs_s(self) -> float:
        """Seconds that the jobs of all attempts may take. Not a field: as `secrets`."""
        return 0.0

    @property
    def step_time_s(self) -> float:
        """Seconds for a whole step: `step_timeout_s`, or else what all of its parts may take together."""
        attempts_s = (self.retries + 1) * self.timeout_s + self.retries * LONGEST_BACK_OFF_S + self.jobs_s
        return self.step_timeout_s or self.ready_timeout_s + attempts_s

    @property
    def address(self) -> str:
        """The base URL as it may be shown."""
        return self.secrets.masked_text(self.url)

    def with_secrets(self, secrets: Secrets) -> Self:
        """The module with these secrets."""
        return self.model_copy(update={"secrets": secrets})

    def is_secret_header(self, name: str) -> bool:
        """Is the value of the header a secret, by its name or because the adapter declares it?"""
        return _is_secret(name) or (self.adapter is not None and self.adapter.declares_secret(name))

    @property
    def action_names(self) -> tuple[str, ...]:
        """The actions that a step may name."""
        return tuple(self.adapter.actions) if self.adapter else self.actions

    @property
    def default_action(self) -> str | None:
        """The action of a step that names none: `execute`, or the only one there is."""
        names = self.action_names
        return "execute" if "execute" in names else names[0] if len(names) == 1 else None

    def declared(self) -> dict[str, Any]:
        """The entry in effect, as it could stand in modules.yaml; unset values are left out, secrets masked."""
        fields = self.model_dump(mode="json", exclude={"adapter"}, exclude_none=True)
        declared = {"name": self.name, "url": self.url} | fields
        if self.adapter is not None:
            del declared["actions"]
            declared |= {"adapter": self.adapter.declared()}
        return self.secrets.masked(declared)

    def for_action(self, action: str) -> "Module":
        """The module as it is called for `action`, whose time-out and retries may be its own."""
        if self.adapter is None:
            return self
        declared = self.adapter.actions[action]
        module = self.model_copy(update=declared.call_options)
        if declared.poll is None:
            return module
        return module.model_copy(update={"jobs_s": (module.retries + 1) * declared.poll.timeout_s})

    def deadline_s(self, action: str) -> float:
        """Seconds that requests give the module, as it is called for `action`."""
        # One less than we wait, in which it can say that it was too slow (OPS-LIM-002).
        return self.earlier_deadlines.get(action) or max(self.timeout_s - 1.0, self.timeout_s / 2)

    def needs(self, action: str) -> Mapping[str, Need]:
        """What the adapter needs of earlier steps for `action`, by role."""
        return (self.adapter.actions[action].needs if self.adapter else None) or {}

    def needed_steps(self, action: str) -> frozenset[str]:
        """The steps whose answers the adapter uses by their ids for `action`."""
        return self.adapter.actions[action].upstream if self.adapter else frozenset()

    def may_use(self, action: str, earlier: Iterable[str], bound: Mapping[str, str]) -> frozenset[str]:
        """Those of the `earlier` steps on whose answers the module's own may rest: all that it is given, or that are read.

        `bound` has the steps that meet its needs, by role.
        """
        reads = self.adapter.actions[action].reads if self.adapter else _ALL_EARLIER
        if reads & _ALL_EARLIER:
            return frozenset(earlier)
        named = (path[1] for path in reads if path[0] == "upstream")
        by_role = bound.values() if (NEEDS,) in reads else (bound[role] for role in roles_read(reads) if role in bound)
        return frozenset((*named, *by_role)).intersection(earlier)

    def sends_artifacts(self, action: str) -> bool:
        """Are artifacts of earlier steps part of the requests for `action`?"""
        return self.adapter is not None and self.adapter.actions[action].sends_artifacts

    def answer_holds_artifacts(self, action: str) -> bool:
        """Are bytes of artifacts part of the raw answer, in a place that only the adapter knows?"""
        artifacts = self.adapter.actions[action].artifacts if self.adapter else ()
        return any(artifact.is_answer or artifact.is_in_answer for artifact in artifacts)

    def at(self, path: str) -> str:
        """The address of `path` below the module's base URL, as it is requested."""
        return _address(self.url, path)


# Most calls are to one of the same two paths.
@lru_cache(maxsize=128)
def _address(base_url: str, path: str) -> str:
    base = urlsplit(base_url)
    target = request_target(f"{base.path.rstrip('/')}/{path.removeprefix('/')}")
    return f"{base.scheme}://{base.netloc}{target}"
