"""What a page of another site has a browser send to the API: nothing of it is done."""

from typing import Any

import httpx2
import pytest
from scripted_module import Gate, ScriptedModule, StartService

ASYNC = {"Prefer": "respond-async"}
# Under a name that is not ours, every request of a browser is refused, whatever it says of its page.
OUR_HOST = {"Host": "127.0.0.1:8000"}
SCENARIO: dict[str, Any] = {"scenario_id": "demo", "modules": ["alpha"]}


async def begun(service: httpx2.AsyncClient, gate: Gate) -> str:
    """The address of a run whose module is thinking."""
    answer = await service.post("/plan_and_execute", json=SCENARIO, headers=ASYNC)
    await gate.asked.wait()
    return f"/runs/{answer.json()['run_id']}"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Origin": "https://evil.example"} | OUR_HOST,
        {"Origin": "https://evil.example"} | OUR_HOST,
        {"Origin": "http://[not-an-address"} | OUR_HOST,
        # A name of theirs that leads to our address makes their page one of the same origin.
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example", "Host": "evil.example"},
    ],
)
async def test_script_of_another_site_cannot_have_the_api_change_anything(
    start_service: StartService, headers: dict[str, str]
) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate])) as service:
        run = await begun(service, gate)
        refused = [await service.post(f"{run}/{order}", headers=ASYNC | headers) for order in ("cancel", "resume", "reproduce")]
        refused.append(await service.post("/plan_and_execute", json=SCENARIO, headers=ASYNC | headers))
        refused.append(await service.post("/sweeps", json=SCENARIO, headers=headers))
        runs = (await service.get("/runs")).json()["runs"]
        await service.post(f"{run}/cancel")
    status = 421 if "evil.example" in headers["Host"] else 403
    assert [answer.status_code for answer in refused] == [status] * 5
    assert [listed["status"] for listed in runs] == ["running"]


async def test_our_own_pages_and_programs_may_use_the_api(start_service: StartService) -> None:
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "http://ops.example", "Host": "ops.example"}
    async with start_service(ScriptedModule(), allowed_hosts="ops.example") as service:
        answers = [await service.post("/plan_and_execute", json=SCENARIO, headers=headers) for headers in (own, None)]
    assert [answer.status_code for answer in answers] == [200, 200]
