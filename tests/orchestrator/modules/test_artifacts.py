from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from scripted_module import ClientFor, ScriptedModule

from ops_contract import Artifact
from ops_orchestrator.errors import Failure, StepError
from ops_orchestrator.modules.answer import RemoteFile
from ops_orchestrator.modules.artifacts import receive
from ops_orchestrator.modules.module import Module


async def failure_of(call: Awaitable[object]) -> Failure:
    with pytest.raises(StepError) as caught:
        await call
    return caught.value.failure


def remote(href: str, content: bytes = b"figures", **fields: Any) -> RemoteFile:
    """A file that its module says has `content`; `fields` falsify it."""
    described = Artifact.of("f.txt", "text/plain", content, href=href)
    return RemoteFile(described.ref.model_copy(update=fields), href)


@pytest.mark.parametrize("href", ["artifacts/report.txt", "/artifacts/report.txt"])
async def test_artifact_is_fetched_below_the_base_url(module: Module, client_for: ClientFor, tmp_path: Path, href: str) -> None:
    alpha = ScriptedModule(files={"/artifacts/report.txt": httpx2.Response(200, content=b"figures")})
    received = await receive(remote(href), module, client_for(alpha), tmp_path)
    assert isinstance(received.content, Path)
    assert received.content.read_bytes() == b"figures"
    assert received.ref == remote(href).ref


async def test_artifact_that_is_not_kept_is_checked_all_the_same(module: Module, client_for: ClientFor) -> None:
    client = client_for(ScriptedModule(files={"/report.txt": httpx2.Response(200, content=b"figures")}))
    assert (await receive(remote("report.txt"), module, client, None)).content is None
    false = remote("report.txt", sha256="0" * 64)
    assert (await failure_of(receive(false, module, client, None))).requirement == "OPS-ART-003"


@pytest.mark.parametrize(
    ("answer", "requirement"),
    [
        (httpx2.Response(200, content=b"figurez"), "OPS-ART-003"),
        (httpx2.Response(200, content=b"figure"), "OPS-ART-004"),
        (httpx2.Response(404), "OPS-ART-002"),
        (httpx2.Response(302, headers={"Location": "/else"}), "OPS-ART-002"),
    ],
)
async def test_artifact_that_is_not_what_it_says_names_the_requirement(
    module: Module, client_for: ClientFor, tmp_path: Path, answer: httpx2.Response, requirement: str
) -> None:
    client = client_for(ScriptedModule(files={"/f": answer}))
    failure = await failure_of(receive(remote("f"), module, client, tmp_path))
    assert (failure.code, failure.requirement) == ("INVALID_ANSWER", requirement)
    assert "'f.txt'" in failure.message


async def test_artifact_larger_than_the_limit_is_given_up(module: Module, client_for: ClientFor, tmp_path: Path) -> None:
    client = client_for(ScriptedModule(files={"/f": httpx2.Response(200, content=b"x" * 11)}), artifact_bytes=10)
    failure = await failure_of(receive(remote("f", b"x" * 11), module, client, tmp_path))
    assert failure.code == "ANSWER_TOO_LARGE"
