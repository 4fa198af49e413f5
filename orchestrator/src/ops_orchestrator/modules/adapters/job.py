"""A job that a module accepted: how it is asked for, and whether it is done."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import Exchange, Request
from ops_orchestrator.modules.adapters.body import decoded, error_text
from ops_orchestrator.modules.adapters.declaration import Action
from ops_orchestrator.modules.adapters.evaluation import Evaluation, is_true
from ops_orchestrator.modules.adapters.expression import Room
from ops_orchestrator.modules.adapters.failures import Failures
from ops_orchestrator.modules.adapters.own_address import target_of
from ops_orchestrator.modules.adapters.poll_mapping import CancelMapping, PollMapping, ResultMapping
from ops_orchestrator.modules.adapters.request import filled_path, filled_query, headers_without_body

_ACCEPT: Final = {"Accept": "*/*"}


@dataclass(frozen=True)
class MappedJob:
    """A submitted job: the request that asks for it, and the one that ends it, None when there is none.

    `evaluation` has the context of the request, and the answer to the submission.
    """

    poll: PollMapping
    evaluation: Evaluation
    request: Request
    cancel: Request | None

    @classmethod
    def of(cls, action: Action, poll: PollMapping, evaluation: Evaluation, submitted: Exchange) -> "MappedJob":
        """The job of the answer `submitted`. Raises StepError when that is a failure, or says nothing of a job."""
        Failures(action.failure, _with(evaluation, "response", submitted), submitted).refuse_status()
        known = _with(evaluation, "submitted", submitted)
        headers = _ACCEPT | headers_without_body(action, evaluation)
        try:
            query = filled_query(poll.query, known, "poll.query")
            request = Request(method="GET", path=_path(poll, known, "poll") + query, headers=headers)
            cancel = None if poll.cancel is None else _cancellation(poll.cancel, known, headers)
        except StepError as error:
            message = f"{error.failure.message}; the job's first answer was {submitted.status}: {error_text(submitted)}"
            raise StepError(replace(error.failure, message=message)) from error
        return cls(poll, known, request, cancel)

    def is_done(self, exchange: Exchange) -> bool:
        """Does the answer say that the job is done? Raises the StepError of one that failed."""
        evaluation = _with(self.evaluation, "response", exchange)
        failures = Failures(self.poll.failure, evaluation, exchange, "poll.failure")
        if not exchange.redirect:
            failures.refuse_status()
        failures.refuse_declared()
        if is_true(evaluation.value("poll.until", self.poll.until)):
            return True
        failures.refuse_status()
        return False

    def result(self, exchange: Exchange) -> Request | None:
        """The request for the result of the job that `exchange` calls done; None when that has it."""
        if self.poll.result is None:
            return None
        path = _path(self.poll.result, _with(self.evaluation, "response", exchange), "poll.result")
        return replace(self.request, path=path)


def response_of(exchange: Exchange) -> dict[str, Any]:
    """An answer as expressions see it."""
    return {"status": exchange.status, "headers": dict(exchange.headers), "body": decoded(exchange)}


def _with(evaluation: Evaluation, name: str, exchange: Exchange) -> Evaluation:
    return replace(evaluation, context={**evaluation.context, name: response_of(exchange)}, room=Room())


def _cancellation(declared: CancelMapping, evaluation: Evaluation, headers: Mapping[str, str]) -> Request:
    return Request(method=declared.method, path=_path(declared, evaluation, "poll.cancel"), headers=headers)


def _path(place: PollMapping | CancelMapping | ResultMapping, evaluation: Evaluation, where: str) -> str:
    if place.path is not None:
        return filled_path(place.path, evaluation, f"{where}.path")
    assert place.url is not None  # noqa: S101  # it has one of both
    where = f"{where}.url"
    return target_of(evaluation.as_text(where, evaluation.required(where, place.url)), evaluation, where)
