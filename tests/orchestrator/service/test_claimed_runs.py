"""What becomes of a run that a worker takes from the queue."""

from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

from run_records import RUN_ID, begin
from scripted_module import ClientFor, ScriptedModule

from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.runs.active_run import ActiveRun
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.cluster.procrastinate_queue import ProcrastinateQueue
from ops_orchestrator.runs.cluster.run_queue import Claim
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.turns import LocalTurns
from ops_orchestrator.service.claimed_runs import ClaimedRuns

LetGo = Callable[[], Coroutine[Any, Any, None]]


class LateRuns(ActiveRuns):
    """Runs whose holder lets go of them just after they could not be had."""

    let_go: LetGo

    async def claim(self, run_id: str) -> ActiveRun:
        try:
            return await super().claim(run_id)
        finally:
            await self.let_go()


async def test_run_that_was_held_when_it_was_claimed_is_not_ended(
    catalogue: Catalogue, client_for: ClientFor, tmp_path: Path
) -> None:
    with closing(FolderStore.open(tmp_path / "runs")) as store:
        turns = LocalTurns(1, 1)
        runs = LateRuns(Registration(catalogue), store, client_for(ScriptedModule()), turns=turns, image_digest=None)
        runs.let_go = (await begin(store)).die
        claimed = ClaimedRuns(runs, store, ProcrastinateQueue("postgresql:///unused"), most_lost=5)
        assert await claimed.execute(Claim(RUN_ID, lost=0)) == "busy"
        assert store.record(RUN_ID).status == "running"
