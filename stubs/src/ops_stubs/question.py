"""The part of a request that decides its answer, without ids, deadlines and times."""

from typing import Any

from ops_contract import ExecuteRequest

__all__ = ["question_of"]


def question_of(request: ExecuteRequest) -> dict[str, Any]:
    """The part of `request` that decides the answer, each field at its place in the body.

    It is `action`, `inputs`, `upstream` and `options.seed`: what the contract lets an answer depend on (OPS-DET-001). Not:

    - `run_id` and `step_id`, new in every run, the key of a call; `scenario_id`, which only names the scenario;
    - `options.deadline_s`, which says how long the caller waits;
    - `contract_version`, since a higher minor asks the same (OPS-VER-002);
    - fields that this version does not know (OPS-FWD-001);
    - `observed_at` of the evidence in `upstream`, the one thing there that differs between equal runs.
    """
    question = request.model_dump(mode="json", include={"action", "inputs", "upstream"})
    for step in question["upstream"].values():
        for item in step["evidence"]:
            del item["observed_at"]
    return {**question, "options": {"seed": request.options.seed}}
