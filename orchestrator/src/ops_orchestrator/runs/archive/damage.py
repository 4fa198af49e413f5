"""What keeps a run from being handed on, or from being what others are judged by."""

from dataclasses import dataclass

from ops_orchestrator.errors import DamagedRunError
from ops_orchestrator.runs.store.protocols import StoredRun
from ops_orchestrator.runs.verification import verify_run


@dataclass(frozen=True)
class Damage:
    """The first thing that is wrong with a run: the file, and what was expected and found; `reason` counts the others."""

    file: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


def damage_of(run: StoredRun) -> Damage | None:
    """What is wrong with a run, as far as a sentence can say; None when it is intact. Raises NotFoundError, StoreError."""
    verification = verify_run(run)
    if verification.is_intact:
        return None
    first = verification.findings[0]
    more = len(verification.findings) - 1 + verification.left_out
    others = f" (and {more:,} other finding{'' if more == 1 else 's'})" if more else ""
    return Damage(first.file, f"expected {first.expected}, found {first.found}{others}")


def refuse_damaged(run: StoredRun) -> None:
    """Raise DamagedRunError when a run that is over is not as it was written. Blocking. Raises NotFoundError, StoreError."""
    if run.record().is_over and (damage := damage_of(run)):
        remedy = "`ops runs verify` shows all that is wrong with the run; restore its folder from a copy"
        raise DamagedRunError(run.location, damage.file, damage.reason, remedy)
