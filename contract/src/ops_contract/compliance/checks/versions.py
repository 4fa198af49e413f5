"""Contract versions and unknown fields: whether the contract can grow."""

from collections.abc import AsyncGenerator
from typing import Final

from ops_contract import CONTRACT_VERSION, is_supported
from ops_contract.compliance.checks.answers import good_answers, judged_by_violations
from ops_contract.compliance.checks.named import not_named
from ops_contract.compliance.checks.unknown_fields import unknown_fields_are_ignored
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, judged

_OTHER_MAJORS: Final = ("99.0", "2.0", "0.9", "10.0", "11.0")
_OF_ANOTHER_SHAPE: Final = {"run": {"id": "r1"}, "steps": [], "options": "none"}
"""What another major may look like: the version is judged before the rest of the body."""


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Send another major version, a higher minor version, and unknown fields."""
    yield await _other_major(module)
    minor = Seen(await module.execute(module.request(contract_version="1.99")))
    yield judged("OPS-VER-002", minor.is_done, "200 for contract version 1.99", minor.summary(), minor)
    yield await unknown_fields_are_ignored(module)


async def _other_major(module: ModuleUnderTest) -> Observation:
    """Whether other majors are refused, and answers and health are in the major that was requested."""
    served = module.contract_versions or (CONTRACT_VERSION,)
    expected = f"a 4xx error envelope that names {', '.join(served)}"
    requests = [module.request(contract_version=version) for version in _OTHER_MAJORS]
    requests += [{"contract_version": version, **_OF_ANOTHER_SHAPE} for version in _OTHER_MAJORS[:1]]
    for request in requests:
        if _major(request["contract_version"]) in map(_major, served):
            continue
        other = Seen(await module.execute(request))
        if not other.is_refusal or not_named(other, served, "supported_versions"):
            asked = f"{expected}, to contract {request['contract_version']}"
            return broken("OPS-VER-001", asked, other.explained(), other)
    answers = await good_answers(module)
    if not any(map(is_supported, served)) and answers[0].seen.is_done:
        actual = f"200, although /health lists only {', '.join(served)}"
        return broken("OPS-VER-001", f"a 4xx to contract {CONTRACT_VERSION}", actual, answers[0].seen)
    return judged_by_violations("OPS-VER-001", f"an answer in contract {CONTRACT_VERSION}, the version of the request", answers)


def _major(version: str) -> str:
    return version.partition(".")[0]
