"""The module as the checks know it, and the requests that they send to it."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from ops_contract import CONTRACT_VERSION, Health, JsonError, ShapeError, parse_json, validate
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.recovery import Recoveries, Recovery
from ops_contract.compliance.requirement import Requirement
from ops_contract.compliance.result import Exchange
from ops_contract.compliance.targets.image_under_test import ImageUnderTest
from ops_contract.compliance.transcript import Transcript

DEFAULT_INPUTS: Final[Mapping[str, Any]] = {
    "country": "DR",
    "time_horizon_years": 5,
    "policy_parameters": {"vat_rate": 0.18},
}
"""The inputs of the stack's own example; --inputs gives others to a module that needs them."""

DEFAULT_TIMEOUT_S: Final = 30.0
"""Seconds to wait for an answer, unless --timeout gives others."""

_MARGIN: Final = 2
_JSON: Final = {"Content-Type": "application/json"}
_TRIES: Final = 3


@dataclass
class ModuleUnderTest:
    """A module at `probe.url`; `inputs` are good ones, for every action or by action; None is the stack's example.

    `upstream` are earlier steps that it needs, in every good request. `is_adapted` says that an adapter speaks for it.
    `container` is there when the kit started its image.
    `health` is the body of its health, read as leniently as possible: checks of their own look for its faults.
    `works` says whether it answered a good request with 200, and `untested` by action why it could not be asked for.
    `transcript` has what was said so far, `recoveries` how it went on after errors. `lost_after` is the error since which it
    answers no good request any more; nothing that is said then counts.
    `timeout_s` is how long an answer is waited for, `good_s` what a good request took, and `waited_s` how long the first one
    was waited for in vain.
    """

    probe: Probe
    inputs: Mapping[str, Any] | None = None
    upstream: Mapping[str, Any] = field(default_factory=dict)
    health: Mapping[str, Any] = field(default_factory=dict)
    is_adapted: bool = False
    works: bool = False
    untested: dict[str, str] = field(default_factory=dict)
    timeout_s: float = DEFAULT_TIMEOUT_S
    good_s: float = 0.0
    waited_s: float = 0.0
    container: ImageUnderTest | None = None
    transcript: Transcript = field(default_factory=Transcript)
    recoveries: Recoveries = field(default_factory=Recoveries)
    lost_after: Exchange | None = None
    _errors: list[Exchange] = field(default_factory=list)
    _series: str = ""

    def __post_init__(self) -> None:
        self.probe.on_exchange = self._remember

    @property
    def name(self) -> str | None:
        """Its name, by its health."""
        return self._text("module")

    @property
    def version(self) -> str | None:
        """Its version, by its health."""
        return self._text("version")

    @property
    def contract_versions(self) -> tuple[str, ...]:
        """The contract versions that it declares."""
        return self._texts("contract_versions")

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles that it declares."""
        return self._texts("profiles")

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions that it declares and that can be asked for, `execute` when it declares none."""
        declared = self._texts("actions") or ("execute",)
        return tuple(action for action in declared if action not in self.untested) or declared

    @property
    def action(self) -> str:
        """The action for checks that need only one."""
        return "execute" if "execute" in self.actions else self.actions[0]

    def is_bound_by(self, requirement: Requirement) -> bool:
        """Whether the requirement applies: `core` always, a container only when there is one, and what the health declares."""
        if requirement.profile == "container":
            return self.container is not None
        return requirement.profile == "core" or requirement.profile in self.profiles

    def _text(self, name: str) -> str | None:
        value = self.health.get(name)
        return value if isinstance(value, str) and value else None

    def _texts(self, name: str) -> tuple[str, ...]:
        value = self.health.get(name)
        return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()

    def request(self, **changes: Any) -> dict[str, Any]:
        """A good request with a new key; `changes` replace fields, and `None` removes one."""
        action = changes.get("action", self.action)
        made = {
            "contract_version": CONTRACT_VERSION,
            "run_id": f"run_2026-01-09T12-34-56Z_{secrets.token_hex(3)}",
            "step_id": f"kit-{secrets.token_hex(4)}",
            "scenario_id": "compliance-kit",
            "action": action,
            "inputs": self._inputs_of(action),
            "upstream": dict(self.upstream),
            "options": {"seed": 42},
            **changes,
        }
        return {name: value for name, value in made.items() if value is not None}

    def slowed(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """`request` with an input that makes a stub slow; a real module ignores the input or refuses it."""
        return {**request, "inputs": {**request["inputs"], "__stub_delay_s": seconds}}

    def patience_s(self, at_once: int = 1) -> float:
        """How long to wait for calls that are sent `at_once`: a module may work on one after another."""
        return max(self.timeout_s, _MARGIN * at_once * self.good_s)

    async def good_request_s(self) -> float:
        """The seconds that a good request takes now."""
        return (await self.execute(self.request())).seconds

    async def health_s(self) -> float:
        """The seconds that the health takes now."""
        return (await self.probe.send("GET", "/health")).seconds

    def _inputs_of(self, action: str) -> dict[str, Any]:
        given = DEFAULT_INPUTS if self.inputs is None else self.inputs
        by_action = bool(given.keys() & set(self.actions)) and all(isinstance(inputs, dict) for inputs in given.values())
        return dict(given.get(action, {}) if by_action else given)

    async def execute(
        self,
        request: Mapping[str, Any] | bytes,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        series: str = "",
    ) -> Exchange:
        """Send a request to `POST /execute`, once the module has recovered from the last error; bytes go as they are.

        Within a `series` of wrong requests nothing is sent in between: what follows shows whether one of them broke something.
        """
        if not series or series != self._series:
            await self.recover()
        self._series = series
        return await self._execute(request, headers, timeout_s)

    async def recover(self) -> None:
        """After an error, send a valid request, and remember whether it succeeds (OPS-ERR-009).

        When it does not, the module gets some more, so that it fails no check that happens to follow the error.
        """
        errors, self._errors = self._errors, []
        if not errors or self.lost_after is not None:
            return
        if not self.works or not self.recoveries.is_worth_asking(errors[-1]):
            await self.probe.send("GET", "/health")
            return
        recovery = Recovery(errors[-1], await self._execute(self.request()))
        if not recovery.succeeded:
            recovery = await self._narrowed(recovery, errors)
        self.recoveries.asked.append(recovery)
        self._errors.clear()

    async def _narrowed(self, failed: Recovery, errors: Sequence[Exchange]) -> Recovery:
        """What of several errors it was after which a valid request failed, found by sending each again."""
        if not await self._works_again():
            self.lost_after = failed.cause
            return failed
        for error in errors if len(errors) > 1 else ():
            path, headers = error.url.removeprefix(self.probe.url), _JSON if error.request_body else {}
            again = await self.probe.send(error.method, path, error.request_body, headers=headers, timeout_s=self.timeout_s)
            found = Recovery(again, await self._execute(self.request()))
            if not found.succeeded:
                self.lost_after = None if await self._works_again() else again
                return found
        return failed

    async def _works_again(self) -> bool:
        for _ in range(_TRIES):
            await self.probe.send("GET", "/health")
            if (await self._execute(self.request())).status == HTTPStatus.OK:
                return True
        return False

    async def _execute(
        self, request: Mapping[str, Any] | bytes, headers: Mapping[str, str] | None = None, timeout_s: float | None = None
    ) -> Exchange:
        body = request if isinstance(request, bytes) else json.dumps(request, ensure_ascii=False).encode(errors="replace")
        sent = {**_JSON, **(headers or {})}
        return await self.probe.send("POST", "/execute", body, headers=sent, timeout_s=timeout_s or self.timeout_s)

    def _remember(self, exchange: Exchange) -> None:
        if self.lost_after is not None:
            return
        self.transcript.add(exchange)
        if exchange.status != HTTPStatus.OK and not exchange.is_of("/health"):
            self._errors.append(exchange)


def health_of(exchange: Exchange) -> Health | None:
    """The health in an answer; None when the answer is not a health."""
    try:
        return validate(Health, parse_json(exchange.body), "health")
    except (JsonError, ShapeError):
        return None
