"""When a scrape has the modules checked again."""

import httpx2
import pytest
from scripted_module import ScriptedModule, transport

from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.service.metrics.families import MODULE_READY
from ops_orchestrator.service.metrics.module_checks import ModuleChecks
from ops_orchestrator.settings import Settings


@pytest.mark.parametrize(
    ("passed_s", "is_checked_again"),
    [(9.0, False), (10.0, True), (-3600.0, True)],
    ids=["soon", "after ten seconds", "when the clock was set back"],
)
async def test_check_counts_for_ten_seconds(module: Module, passed_s: float, is_checked_again: bool) -> None:
    # One that failed, as what runs know of a module that is ready is good for a second.
    alpha, times = ScriptedModule(health=[httpx2.Response(503)] * 2), [10_000.0]
    registration = Registration(Catalogue({module.name: module}))
    client = ModuleClient(Settings(_env_file=None).limits, transport(alpha))
    checks = ModuleChecks(registration, client, clock=lambda: times[-1])
    checks.look()
    await checks.checked()
    times.append(times[0] + passed_s)
    assert checks.look()[MODULE_READY.name] == [(("alpha",), 0.0)]
    await checks.checked()
    await client.aclose()
    assert len(alpha.requests) == 1 + is_checked_again
