from dataclasses import replace

import httpx2
import pytest
from module_call import call_of
from scripted_module import ClientFor, ScriptedModule, artifact, success

from ops_orchestrator.modules.adapters.declaration import Adapter
from ops_orchestrator.modules.attempt import Answered, attempt, request_for
from ops_orchestrator.modules.call import Call
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.contract_dialect import ContractDialect
from ops_orchestrator.modules.module import Module


@pytest.fixture
def call(module: Module) -> Call:
    return call_of(module)


async def answered(call: Call, client: ModuleClient) -> Answered:
    return await attempt(call, await request_for(call), client, None)


async def test_request_with_small_answers_of_earlier_steps_is_made_at_once(call: Call, client_for: ClientFor) -> None:
    alpha = ScriptedModule(answers=[success(outputs={"text": "a"}, artifacts=[artifact("a.txt", b"x" * 50_000)])])
    earlier = (await answered(call, client_for(alpha))).as_upstream(keep_exchange=False)
    later = replace(call, upstream={"beta": earlier})
    with pytest.raises(StopIteration) as made:  # a coroutine that waits for nothing
        ContractDialect(call.module).request(later).send(None)
    assert b'"outputs":{"text":"a"}' in made.value.value.body


async def test_size_of_what_expressions_make_is_not_known(call: Call, client_for: ClientFor) -> None:
    declared = {"health": "none", "actions": {"execute": {"path": "/execute", "outputs": "{'x': $pad('', 1000)}"}}}
    adapted = call.module.model_copy(update={"adapter": Adapter.model_validate(declared)})
    alpha = ScriptedModule(answers=[httpx2.Response(200, json={})])
    assert (await answered(replace(call, module=adapted), client_for(alpha))).size_bytes == float("inf")
