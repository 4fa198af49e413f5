"""Contract versions and unknown fields: can the contract grow?"""

import json
from collections.abc import AsyncGenerator
from typing import Any

from ops_contract import CONTRACT_VERSION, is_supported
from ops_contract.compliance.checks.answers import good_answers, judged_by_violations
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, judged

_UNKNOWN = {"x_unknown": {"a": 1}, "priority": "high"}


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Ask in another major, in a higher minor, and with fields that nobody knows."""
    yield await _other_major(module)
    minor = Seen(await module.execute(module.request(contract_version="1.99")))
    yield judged("OPS-VER-002", minor.is_done, "200 for contract version 1.99", minor.told(), minor)
    request = module.request()
    plain = Seen(await module.execute(request))
    more = {**request, "step_id": f"{request['step_id']}-x", **_UNKNOWN, "options": {**request["options"], **_UNKNOWN}}
    grown = Seen(await module.execute(more))
    same = grown.is_done and (_outputs(grown) == _outputs(plain) or await _varies(module, plain))
    said = grown.told() if not grown.is_done else "other outputs"
    yield judged("OPS-FWD-001", same or not plain.is_done, "200 and the outputs of the same call without them", said, grown)


async def _other_major(module: ModuleUnderTest) -> Observation:
    """Is another major refused, and is what is served in this one, in the answers as in what the health declares?"""
    other = Seen(await module.execute(module.request(contract_version="99.0")))
    served = module.contract_versions or (CONTRACT_VERSION,)
    expected = f"a 4xx error envelope that names {', '.join(served)}"
    if not (other.is_refusal and any(version in json.dumps(other.fields) for version in served)):
        return broken("OPS-VER-001", expected, f"{other.told()}: {other.error.get('message')}", other)
    answers = await good_answers(module)
    if not any(map(is_supported, served)) and answers[0].seen.is_done:
        said = f"200, although /health lists {', '.join(served)} only"
        return broken("OPS-VER-001", f"a 4xx to contract {CONTRACT_VERSION}", said, answers[0].seen)
    return judged_by_violations("OPS-VER-001", f"answers in contract {CONTRACT_VERSION}, as it was asked for", answers)


async def _varies(module: ModuleUnderTest, plain: Seen) -> bool:
    """Do its outputs differ also for the same question? A module that is not deterministic may do that."""
    return "deterministic" not in module.profiles and _outputs(Seen(await module.execute(module.request()))) != _outputs(plain)


def _outputs(seen: Seen) -> Any:
    return seen.fields.get("outputs")
