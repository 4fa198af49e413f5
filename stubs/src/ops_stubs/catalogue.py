"""Every stub of this package by the name of its module, and the legacy service, which is not a module."""

from typing import Final

from ops_stubs import data_layer, dr_anticorruption, monitor, policy_simulator, strategy_agent, supplychain_risk
from ops_stubs.module import Neighbour, Stub

__all__ = ["LEGACY", "STUBS"]

STUBS: Final[dict[str, Stub]] = {
    stub.name: stub
    for stub in (
        data_layer.STUB,
        policy_simulator.STUB,
        supplychain_risk.STUB,
        dr_anticorruption.STUB,
        strategy_agent.STUB,
        monitor.STUB,
    )
}
"""In the order in which a scenario that uses all of them would run them."""

LEGACY: Final = Neighbour(
    name="legacy",
    summary="Odd services from before the contract, for adapters to adapt",
    paths=("/forecast", "/indicators", "/report", "/archive/"),
)
"""Not among STUBS, because nothing that holds for a module holds for it (legacy.py)."""
