"""`GET /runs/{run_id}/verification`: the service says of a stored run whether it is intact."""

from pathlib import Path

from scripted_module import Gate, ScriptedModule, StartService

ASKED = {"scenario_id": "demo", "modules": ["alpha"]}


async def test_run_is_intact_until_something_in_its_folder_is_changed(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule()) as service:
        run_id = (await service.post("/plan_and_execute", json=ASKED)).json()["run_id"]
        before = (await service.get(f"/runs/{run_id}/verification")).json()
        (tmp_path / "runs" / run_id / "modules.json").write_text("{}")
        after = (await service.get(f"/runs/{run_id}/verification")).json()
    assert (before["run_id"], before["intact"], before["findings"]) == (run_id, True, [])
    assert (after["intact"], [finding["file"] for finding in after["findings"]]) == (False, ["modules.json"])


async def test_run_that_goes_on_is_not_intact_yet(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate])) as service:
        started = await service.post("/plan_and_execute", json=ASKED, headers={"Prefer": "respond-async"})
        await gate.asked.wait()
        answer = (await service.get(f"{started.headers['location']}/verification")).json()
    assert answer["findings"] == [{"file": "run.json", "expected": "a run that is over", "found": "running"}]


async def test_run_that_does_not_exist_is_404(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        for run_id in ("run_2026-01-09T12-34-56Z_ab12cd", "nonsense"):
            answer = await service.get(f"/runs/{run_id}/verification")
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
