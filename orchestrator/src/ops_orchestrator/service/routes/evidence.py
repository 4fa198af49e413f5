"""`GET /runs/{run_id}/evidence`: what the figures of a run rest on."""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from ops_orchestrator.runs.evidence import EvidenceFilter, RunEvidence
from ops_orchestrator.runs.record import MODULES
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.under_way import Runs, known_live
from ops_orchestrator.service.answers import EvidenceAnswer
from ops_orchestrator.service.json_response import SafeJsonResponse
from ops_orchestrator.service.openapi import problems
from ops_orchestrator.service.routes.parameters import refuse_unusable_parameters

_PARAMETERS: Final = ("step", "pointer", "unsupported")


def evidence_routes(store: RunStore, runs: Runs) -> APIRouter:
    """The route over the evidence of the runs in `store`; of `runs`, which go on, memory knows more."""
    router = APIRouter(prefix="/runs", tags=["runs"], default_response_class=SafeJsonResponse)

    @router.get(
        "/{run_id}/evidence",
        summary="What the figures of a run rest on, by completed step",
        response_model=EvidenceAnswer,
        responses=problems(404, 422, 500, 503),
    )
    async def get_evidence(
        request: Request,
        run_id: str,
        step: Annotated[str | None, Query(description="only this step")] = None,
        pointer: Annotated[str, Query(description="only values at or below this JSON pointer into a step's outputs")] = "",
        unsupported: Annotated[bool, Query(description="only values that no evidence supports")] = False,
    ) -> SafeJsonResponse:
        refuse_unusable_parameters(request, _PARAMETERS, "run's evidence")
        where = EvidenceFilter(step, pointer, unsupported)
        # Not through the model: a step has up to 1,000 values.
        return SafeJsonResponse(await asyncio.to_thread(_evidence, store, runs, run_id, where))

    return router


def _evidence(store: RunStore, runs: Runs, run_id: str, where: EvidenceFilter) -> dict[str, Any]:
    run = known_live(runs, run_id)
    record, results = (run.record, run.results) if run else (store.record(run_id), store.results(run_id))
    return RunEvidence.of(record, results, lambda: store.document(run_id, MODULES), where).as_json()
