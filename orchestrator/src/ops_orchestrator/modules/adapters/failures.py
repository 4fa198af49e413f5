"""The failures of a module that does not speak the contract: by the status of an answer, or as its adapter declares."""

from contextlib import suppress

from ops_orchestrator.errors import Failure, StepError
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.adapters.body import error_text
from ops_orchestrator.modules.adapters.evaluation import Evaluation, is_true
from ops_orchestrator.modules.adapters.expression import Expression
from ops_orchestrator.modules.adapters.failure_mapping import FailureMapping


class Failures:
    """Whether an answer is a failure, and its wording; `mapping` stands at `where` in the declaration."""

    def __init__(self, mapping: FailureMapping, evaluation: Evaluation, exchange: Exchange, where: str = "failure") -> None:
        self._mapping = mapping
        self._evaluation = evaluation
        self._exchange = exchange
        self._where = where

    def refuse_status(self) -> None:
        """Raise the StepError of an answer that is not a 2xx."""
        if self._exchange.redirect:
            raise invalid_answer(self._exchange, self._evaluation, self._exchange.redirect)
        if not self._exchange.is_success:
            raise self._failed()

    def refuse_declared(self) -> None:
        """Raise the StepError of an answer that is declared to be a failure."""
        if is_true(self._evaluation.value(f"{self._where}.when", self._mapping.when)):
            raise self._failed()

    def _failed(self) -> StepError:
        evaluation, mapping, status = self._evaluation, self._mapping, self._exchange.status
        code = self._text("code", mapping.code) or ("" if self._exchange.is_success else str(status))
        message = self._text("message", mapping.message) or error_text(self._exchange)
        retryable = self._retryable(mapping.retryable)
        details = {"status": status, "message": message} | ({"code": code} if code else {})
        return StepError(
            Failure(
                code="MODULE_ERROR",
                message=f"{evaluation.module} answers {f'{code}: ' if code else 'with an error: '}{message}",
                module=evaluation.module,
                retryable=retryable,
                module_error=details,
            )
        )

    def _retryable(self, expression: Expression | None) -> bool:
        with suppress(StepError):  # as below
            value = self._evaluation.value(f"{self._where}.retryable", expression)
            if value is not None:
                return is_true(value)
        return self._exchange.is_retryable

    def _text(self, key: str, expression: Expression | None) -> str | None:
        """The text that a mapping makes of a failure; a mapping that cannot be used must not hide the failure itself."""
        try:
            return " ".join((self._evaluation.text(f"{self._where}.{key}", expression) or "").split()) or None
        except StepError as error:
            return f"{error_text(self._exchange)} ({error.failure.message})" if key == "message" else None


def invalid_answer(exchange: Exchange, evaluation: Evaluation, reason: str) -> StepError:
    """The error of an answer that no mapping can be made from."""
    message = f"answers what cannot be used: the answer of {exchange.url} {reason}"
    return StepError.of(evaluation.module, "INVALID_ANSWER", message)
