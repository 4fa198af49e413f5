"""Runs in a format that this version does not know: it reads nothing into them, and leaves them as they are."""

import json
import re
from contextlib import closing
from pathlib import Path

import pytest
from run_records import RUN_ID, contents, keep, leave

from ops_orchestrator.errors import DamagedRunError
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.sqlite_index import FILE_NAME

LATER = "made by a later version of the orchestrator, format 3; upgrade to read it"


@pytest.mark.parametrize("status", ["running", "failed"])
@pytest.mark.parametrize(
    ("format_", "reason"),
    [(3, LATER), *((odd, f"format '{odd}' is not a version of the run folder") for odd in (0, -1, True, 2.5, "2", None))],
)
async def test_run_in_another_format_is_listed_as_damaged_and_never_changed_or_resumed(
    tmp_path: Path, status: str, format_: object, reason: str
) -> None:
    with closing(FolderStore.open(tmp_path)) as store:
        await keep(store)
    folder = tmp_path / RUN_ID
    if status == "running":
        leave(folder)
    record = json.loads((folder / "run.json").read_bytes())
    (folder / "run.json").write_text(json.dumps(record | {"format": format_, "status": status}))
    (tmp_path / FILE_NAME).unlink()  # it knows the run as over
    before = contents(folder)
    with closing(FolderStore.open(tmp_path)) as store:
        store.recover()
        with pytest.raises(DamagedRunError, match=re.escape(reason)):
            await store.reopen(RUN_ID)
        assert [(run.status, run.reason) for run in store.page(10).runs] == [("damaged", f"run.json: {reason}")]
    assert contents(folder) == before
