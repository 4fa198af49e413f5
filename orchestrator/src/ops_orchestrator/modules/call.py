"""One call of a module: everything that its request can be made from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from ops_contract import ArtifactRef, Evidence, SuccessEnvelope
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.adapters.body import decoded
from ops_orchestrator.modules.adapters.request_body import ReadArtifact
from ops_orchestrator.modules.call_headers import call_headers
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.trace_context import TraceContext


@dataclass(frozen=True)
class UpstreamAnswer:
    """What an earlier step of the run answered: its envelope, and its artifacts as they were received.

    `exchange` is kept when a later step may use the raw answer. `size_bytes` is about what the
    envelope takes as JSON, infinite when it is not known. `synthetic` says that its figures are made up or rest on such ones.
    """

    envelope: SuccessEnvelope
    artifacts: tuple[ArtifactRef, ...]
    exchange: Exchange | None
    size_bytes: float = math.inf
    synthetic: bool = False

    @classmethod
    def of(  # noqa: PLR0913  # the parts of an answer, each by name
        cls,
        *,
        module: str,
        outputs: dict[str, Any],
        evidence: tuple[Evidence, ...],
        artifacts: tuple[ArtifactRef, ...],
        version: str | None = None,
        warnings: tuple[str, ...] = (),
        exchange: Exchange | None = None,
        synthetic: bool = False,
    ) -> Self:
        """The answer made from parts that were judged when they were first received."""
        envelope = SuccessEnvelope.model_construct(
            status="success", module=module, version=version, outputs=outputs, evidence=evidence, warnings=warnings
        )
        return cls(envelope, artifacts, exchange, synthetic=synthetic)

    @cached_property
    def raw(self) -> Any:
        """The raw answer: JSON where it is JSON, else text; None for anything else."""
        return decoded(self.exchange) if self.exchange else None


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of `module` for `action`. `inputs` are complete; `upstream` has the earlier answers by step id.

    `attempt` counts the attempts of the step, and `trace` is that of the run; None when it begins with it.
    `bound` has the steps that meet the module's needs, by role. `read_artifact` reads the artifacts of earlier steps; it is
    None where only their names are known.
    """

    run_id: str
    scenario_id: str
    step_id: str
    module: Module
    action: str
    inputs: Mapping[str, Any]
    seed: int
    upstream: Mapping[str, UpstreamAnswer]
    bound: Mapping[str, str] = field(default_factory=dict)
    read_artifact: ReadArtifact | None = None
    trace: TraceContext | None = None
    attempt: int = 1

    @property
    def headers(self) -> dict[str, str]:
        """What its requests say of run, step and trace, see `call_headers`."""
        trace = self.trace or TraceContext.of(self.run_id, None)
        return call_headers(trace, self.step_id, self.attempt)

    @property
    def options(self) -> dict[str, Any]:
        """The run options that are sent to the module."""
        return {"seed": self.seed, "deadline_s": self.module.deadline_s(self.action)}

    @property
    def missing_upstream(self) -> list[str]:
        """What the module's adapter uses and that is not in `upstream`, in words."""
        named = [f"the step {step!r}" for step in sorted(self.module.needed_steps(self.action) - self.upstream.keys())]
        needs = self.module.needs(self.action).items()
        return [*named, *(f"{role!r}, a step of {need}" for role, need in needs if self.bound.get(role) not in self.upstream)]

    @property
    def may_rest_on_synthetic(self) -> bool:
        """Are the figures of an earlier step synthetic that the module may use?"""
        return any(self.upstream[step].synthetic for step in self.module.may_use(self.action, self.upstream, self.bound))
