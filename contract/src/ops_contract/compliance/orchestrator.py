"""Recognises the orchestrator, whose address is easily taken for that of a module: both answer `GET /health` alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ops_contract import base_url_problem, masked_url
from ops_contract.compliance.observation import Seen
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.redaction import harmless, shortened
from ops_contract.compliance.result import ExitCode
from ops_contract.compliance.targets.errors import TargetError

WHAT_IT_IS: Final = "the orchestrator, which calls modules, and not a module"
"""What there is at its address, for the end of a sentence."""

_NAME: Final = "orchestrator"
_ANSWER_S: Final = 5.0
# It asks every module for its health before it lists them.
_LIST_S: Final = 20.0
_LOCKED: Final = (401, 403)
_MOST_NAMED: Final = 10
_LONGEST: Final = 200
_NONE_KNOWN: Final = "Give the address of a module, as it stands in modules.yaml."


@dataclass(frozen=True)
class Orchestrator:
    """The orchestrator at an address, and the modules that it calls: their addresses, as it gives them, by name.

    Those of modules that it calls through an adapter are empty: they do not follow the contract by themselves.
    """

    modules: Mapping[str, str]

    def instead(self, command: str = "") -> tuple[str, ...]:
        """What to give instead, a line each: addresses, or words that begin with `command`."""
        shown = list(self.modules.items())[:_MOST_NAMED]
        lines = [
            f"{name}: {f'{command} {url}'.strip()}" if url else f"{name}, through its adapter: ops modules check {name}"
            for name, url in shown
        ]
        if left := len(self.modules) - len(shown):
            lines.append(f"... and {left} more; ops modules lists all")
        return ("Give the address of a module; those that it calls, as it reaches them:" if lines else _NONE_KNOWN, *lines)


async def orchestrator_at(url: str, health: Seen | None = None) -> Orchestrator | None:
    """The orchestrator when it is what answers at `url`, else None. `health` is the answer of /health when it is known."""
    probe = Probe(url)
    answer = health or Seen(await probe.send("GET", "/health", timeout_s=_ANSWER_S))
    if answer.fields.get("module") != _NAME or "contract_versions" in answer.fields:
        return None
    listed = Seen(await probe.send("GET", "/modules", timeout_s=_LIST_S))
    if listed.exchange.status in _LOCKED:
        return Orchestrator({})
    modules = listed.fields.get("modules")
    return Orchestrator(_addresses(modules)) if listed.is_done and isinstance(modules, list) else None


async def refuse_orchestrator(url: str, command: str = "") -> None:
    """Raise TargetError, with what to give instead, when the orchestrator answers at `url`; see `Orchestrator.instead`."""
    found = await orchestrator_at(url)
    if found is not None:
        lines = "\n  ".join((f"{masked_url(url)} is {WHAT_IT_IS}.", *found.instead(command)))
        raise TargetError(lines, ExitCode.USAGE)


def _addresses(modules: list[Any]) -> dict[str, str]:
    """Names and addresses in its list; what is not an address is left out."""
    pairs = (
        (one.get("name"), "" if one.get("adapter") else masked_url(url))
        for one in modules
        if isinstance(one, dict) and isinstance(url := one.get("url"), str) and base_url_problem(url) is None
    )
    return {harmless(shortened(name, _LONGEST)): shortened(url, _LONGEST) for name, url in pairs if isinstance(name, str)}
