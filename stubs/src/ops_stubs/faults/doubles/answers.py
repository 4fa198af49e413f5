"""The staged answers of a stub, the states of their scenarios, and which answer a request gets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field

from ops_contract import Difference, ShapeError, suggestion, validate
from ops_stubs.errors import FaultError
from ops_stubs.faults.doubles.answer import STARTED, Answer, State
from ops_stubs.faults.doubles.condition import Settings
from ops_stubs.faults.doubles.request_match import differences_as_json
from ops_stubs.faults.exchange import Received

__all__ = ["Answers", "Choice", "StagedAnswers"]

_MOST: Final = 100


class StagedAnswers(Settings):
    """What `/__stub/answers` takes: the answers, and the states of scenarios that have left the first one."""

    answers: Annotated[tuple[Answer, ...], Field(strict=False, max_length=_MOST)] = ()
    states: Annotated[dict[State, State], Field(max_length=_MOST)] = Field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """What was found for a request: an answer, or else what each of the nearest one's conditions missed."""

    answer: Answer | None
    label: str | None = None
    missed: Sequence[Difference] = ()

    def nearest_as_json(self) -> dict[str, Any] | None:
        """The answer that came nearest to a request that got none."""
        if self.answer is not None or self.label is None:
            return None
        return {"answer": self.label, "differences": differences_as_json(list(self.missed))}


class Answers:
    """Answers in the order in which they are tried, and the state of each scenario. Used in the event loop alone."""

    def __init__(self, *, executes: bool = True) -> None:
        """A recorded module never `executes` anything, so that its answers are all of HTTP."""
        self._executes = executes
        self._answers: tuple[Answer, ...] = ()
        self._states: dict[str, str] = {}

    def stage(self, staged: StagedAnswers) -> None:
        """Replace all answers and states. Changes nothing when it raises FaultError."""
        self.check(staged)
        self._answers = staged.answers
        self._states = dict(staged.states)

    def check(self, staged: StagedAnswers) -> None:
        """Raise FaultError for what cannot be staged here."""
        patterns = sum(answer.match.pattern_count for answer in staged.answers)
        if patterns > _MOST:
            raise FaultError(f"/answers: has {patterns} regular expressions; a stub takes {_MOST} of them")
        for index, answer in enumerate(staged.answers):
            if answer.is_envelope and not self._executes:
                raise FaultError(
                    f"/answers/{index}/outputs: a recording executes nothing to put them into; give status and body"
                )
        known = {answer.scenario for answer in staged.answers if answer.scenario}
        if unknown := sorted(staged.states.keys() - known):
            hint = suggestion(unknown[0], known) or "no answer has it"
            raise FaultError(f"/states: no scenario is called {unknown[0]!r}; {hint}")

    def add(self, value: Any) -> None:
        """Stage one more answer before the others. Raises FaultError."""
        try:
            answer = validate(Answer, value, "answer")
        except ShapeError as error:
            raise FaultError(str(error)) from error
        if len(self._answers) == _MOST:
            raise FaultError(f"{_MOST} answers are staged, and more are not kept; DELETE /__stub/answers clears them")
        self.stage(StagedAnswers(answers=(answer, *self._answers), states=self._states))

    def as_json(self) -> dict[str, Any]:
        """Answers and states, in the form that the admin API also accepts."""
        states = {"states": self._states} if self._states else {}
        return {"answers": [answer.as_json() for answer in self._answers], **states}

    def summary(self) -> list[str]:
        """How many answers there are, for a list of what is staged; empty when there are none."""
        number = len(self._answers)
        return [f"{number} answer{'' if number == 1 else 's'}"] if number else []

    def choose(self, received: Received) -> Choice:
        """The answer to a request. Changes no state: see `take`."""
        nearest = Choice(None)
        by_priority = sorted(enumerate(self._answers), key=lambda each: each[1].priority)
        for index, answer in by_priority:
            label = answer.name or f"/answers/{index}"
            missed = [*answer.match.differences(received), *self._missed_state(answer)]
            if answer.is_envelope and not received.is_execute:
                missed.append(Difference("method", "POST", received.method))
            if not missed:
                return Choice(answer, label)
            if nearest.label is None or len(missed) < len(nearest.missed):
                nearest = Choice(None, label, missed)
        return nearest

    def take(self, answer: Answer) -> None:
        """Move the scenario of an answer that is given on to its next state."""
        if answer.scenario and answer.then_state:
            self._states[answer.scenario] = answer.then_state

    def _missed_state(self, answer: Answer) -> list[Difference]:
        if answer.scenario is None or answer.when_state is None:
            return []
        state = self._states.get(answer.scenario, STARTED)
        return [] if state == answer.when_state else [Difference(f"state of {answer.scenario}", answer.when_state, state)]
