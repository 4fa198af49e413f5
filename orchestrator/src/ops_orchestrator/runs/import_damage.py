"""What was wrong with a run when it was imported all the same: a note in its folder, for those who use the run later."""

from pathlib import Path
from typing import Final

from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.excerpt import excerpt, one_line
from ops_orchestrator.runs.record import IMPORT_DAMAGE
from ops_orchestrator.runs.store.protocols import StoredRun

_LONGEST: Final = 1_000


def note_damage(folder: Path, damage: str) -> None:
    """Put the note into the folder of a run. Raises OSError."""
    (folder / IMPORT_DAMAGE).write_text(f"{damage}\n", encoding="utf-8", errors="replace")


def import_damage(run: StoredRun) -> str:
    """A sentence on a run that was not intact when it was imported; empty for any other. Raises nothing."""
    try:
        damage = run.document(IMPORT_DAMAGE).decode(errors="replace")
    except NotFoundError:
        return ""
    except StoreError:
        damage = "its note cannot be read"
    return f"{run.run_id} was not intact when it was imported: {one_line(excerpt(damage.strip(), _LONGEST))}"
