from pathlib import Path

import pytest
import structlog
from scripted_module import ScriptedModule, demo, transport

from ops_orchestrator.cli.local_runs import local_runs
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.settings import Settings


async def test_run_without_a_service_is_kept_in_the_store_of_the_folder(tmp_path: Path, catalogue: Catalogue) -> None:
    settings = Settings(runs_dir=tmp_path / "runs", _env_file=None)
    async with local_runs(settings, catalogue, transport(ScriptedModule("alpha"))) as local:
        run = await local.runs.start(demo("alpha"))
        await run.wait()
        assert local.store.record(run.record.run_id).status == "completed"


async def test_run_under_way_at_the_end_of_the_block_is_interrupted(tmp_path: Path, catalogue: Catalogue) -> None:
    settings = Settings(runs_dir=tmp_path / "runs", _env_file=None)
    async with local_runs(settings, catalogue, transport()) as local:
        waiting = catalogue.modules["alpha"].model_copy(update={"ready_timeout_s": 600.0})
        run = await local.runs.start(demo("alpha"), catalogue=Catalogue({"alpha": waiting}))
    assert run.record.status == "interrupted"


async def test_traceback_on_the_terminal_does_not_show_the_values_of_variables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value = "s3cr3t"
    async with local_runs(Settings(runs_dir=tmp_path / "runs", _env_file=None), Catalogue({})):
        try:
            _ = {"authorization": value}["cookie"]
        except KeyError:
            structlog.get_logger("ops_orchestrator.run").exception("run.errored")
    shown = capsys.readouterr().err
    assert "Traceback (most recent call last)" in shown
    assert "KeyError: 'cookie'" in shown
    assert value not in shown
