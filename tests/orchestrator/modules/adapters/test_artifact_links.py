"""Artifacts that a module names by their addresses."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest
from scripted_module import ClientFor, ScriptedModule

from ops_contract import sha256_hex
from ops_orchestrator.errors import Failure, StepError
from ops_orchestrator.modules.adapters.declaration import Adapter
from ops_orchestrator.modules.attempt import Answered, attempt, request_for
from ops_orchestrator.modules.call import Call
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module

FIGURES = httpx2.Response(200, content=b"a,b\n", headers={"Content-Type": "text/csv; charset=utf-8"})


def call_of(artifact: dict[str, Any], url: str = "http://alpha.test", **action: Any) -> Call:
    """A call of a module at `url` that answers with `{"url": ...}`, of which `artifact` is made."""
    declared = {"health": "none", "actions": {"run": {"path": "/execute", "artifacts": [artifact], **action}}}
    module = Module(name="alpha", url=url, adapter=Adapter.model_validate(declared))
    fields: dict[str, Any] = {
        "run_id": "run",
        "scenario_id": "demo",
        "step_id": "alpha",
        "inputs": {},
        "seed": 0,
        "upstream": {},
    }
    return Call(module=module, action="run", **fields)


def alpha_with(address: Any, **files: httpx2.Response) -> ScriptedModule:
    return ScriptedModule(
        answers=[httpx2.Response(200, json={"url": address})], files={f"/{name}": answer for name, answer in files.items()}
    )


async def answered(call: Call, client: ModuleClient, staging: Path | None = None) -> Answered:
    return await attempt(call, await request_for(call), client, staging)


async def failure_of(call: Call, client: ModuleClient, staging: Path | None = None) -> Failure:
    with pytest.raises(StepError) as caught:
        await answered(call, client, staging)
    return caught.value.failure


@pytest.mark.parametrize(
    ("base", "address", "asked"),
    [
        ("", "/files/a.csv", "/files/a.csv"),
        ("", "files/a.csv", "/files/a.csv"),
        ("", "http://alpha.test/files/a.csv#rows", "/files/a.csv"),
        ("", "HTTP://Alpha.test:80/files/a.csv?v=1", "/files/a.csv?v=1"),
        ("/api/v1", "/files/a.csv", "/api/v1/files/a.csv"),
        ("/api/v1", "/api/v1/files/a.csv", "/api/v1/files/a.csv"),
        ("/api/v1", "http://alpha.test/api/v1/files/a.csv", "/api/v1/files/a.csv"),
    ],
)
async def test_artifact_is_fetched_from_its_address_below_the_module_s_own(
    client_for: ClientFor, tmp_path: Path, base: str, address: str, asked: str
) -> None:
    alpha = alpha_with(address)
    alpha.files[asked.partition("?")[0]] = FIGURES
    call = call_of({"url": "response.body.url"}, f"http://alpha.test{base}")
    (received,) = (await answered(call, client_for(alpha), tmp_path)).artifacts
    assert isinstance(received.content, Path)
    assert received.content.read_bytes() == b"a,b\n"
    assert received.ref.model_dump() == {
        "name": "a.csv",
        "media_type": "text/csv",
        "size_bytes": 4,
        "sha256": sha256_hex(b"a,b\n"),
    }
    assert str(alpha.requests[-1].url) == f"http://alpha.test{asked}"


@pytest.mark.parametrize(
    "address",
    [
        "http://elsewhere.test/a.csv",
        "https://alpha.test/a.csv",
        "http://alpha.test:8080/a.csv",
        "http://alpha.test@elsewhere.test/a.csv",
        "http://user@alpha.test/api/a.csv",
        "//elsewhere.test/a.csv",
        "http://alpha.test/other/a.csv",
        "http://alpha.test/apix/a.csv",
        "ftp://alpha.test/api/a.csv",
        "file:///etc/passwd",
    ],
)
async def test_address_elsewhere_is_refused_and_never_asked(client_for: ClientFor, address: str) -> None:
    alpha, elsewhere = alpha_with(address), ScriptedModule("elsewhere")
    call = call_of({"name": '"a"', "url": "response.body.url"}, "http://alpha.test/api")
    failure = await failure_of(call, client_for(alpha, elsewhere))
    assert failure.code == "MAPPING_FAILED"
    assert "artifacts[0].url of its action 'run'" in failure.message
    assert "is not below the module's own address http://alpha.test/api" in failure.message
    assert "have the expression yield the path alone" in failure.message
    assert (len(alpha.requests), elsewhere.requests) == (1, [])


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/../a.csv", "may lead elsewhere"),
        ("/x/%2e%2E/a.csv", "may lead elsewhere"),
        ("/x%2Fa.csv", "may lead elsewhere"),
        ("/x\\a.csv", "may lead elsewhere"),
        ("http://alpha.test//elsewhere.test/a.csv", "may lead elsewhere"),
        ("http://[alpha.test/a.csv", "is not an address"),
        ("http://alpha.test:port/a.csv", "is not an address"),
        ("/", "does not lead to anything"),
        ("/" + "a" * 3_000, "is too long"),
        (None, "response.body.url yields nothing"),
        ({"a": 1}, "must yield text, not an object"),
    ],
)
async def test_address_that_cannot_be_used_says_why(client_for: ClientFor, address: Any, said: str) -> None:
    failure = await failure_of(call_of({"url": "response.body.url"}), client_for(alpha_with(address)))
    assert said in failure.message


async def test_name_type_and_digest_are_as_declared(client_for: ClientFor) -> None:
    right, wrong = sha256_hex(b"a,b\n"), "0" * 64
    alpha = alpha_with("/download?id=7", download=FIGURES)
    declared = {"url": "response.body.url", "name": '"rows.txt"', "media_type": '"text/x-rows"', "sha256": f"'{right}'"}
    (received,) = (await answered(call_of(declared), client_for(alpha))).artifacts
    assert (received.ref.name, received.ref.media_type, received.content) == ("rows.txt", "text/x-rows", None)
    failure = await failure_of(call_of({**declared, "sha256": f"'{wrong}'"}), client_for(alpha))
    assert failure.code == "INVALID_ANSWER"
    assert f"'rows.txt' has the sha256 {right}, the answer says {wrong}" in failure.message


async def test_type_that_says_nothing_gives_way_to_that_of_the_name(client_for: ClientFor) -> None:
    unknown = httpx2.Response(200, content=b"x", headers={"Content-Type": "application/octet-stream"})
    alpha = alpha_with("/map.png", **{"map.png": unknown})
    (received,) = (await answered(call_of({"url": "response.body.url"}), client_for(alpha))).artifacts
    assert received.ref.media_type == "image/png"


async def test_files_of_one_name_keep_their_folders(client_for: ClientFor) -> None:
    alpha = alpha_with(["/a/x.csv", "/b/x.csv"])
    alpha.files |= {"/a/x.csv": FIGURES, "/b/x.csv": FIGURES}
    call = call_of({"each": "response.body.url", "url": "item"})
    assert [ref.name for ref in (await answered(call, client_for(alpha))).refs] == ["a/x.csv", "b/x.csv"]


async def test_artifact_is_asked_for_with_the_headers_of_the_action(client_for: ClientFor) -> None:
    alpha = alpha_with("/a.csv", **{"a.csv": FIGURES})
    call = call_of({"url": "response.body.url"}, headers={"X-Key": '"open"'}, body="inputs")
    await answered(call, client_for(alpha))
    assert alpha.requests[-1].headers["x-key"] == "open"
    assert "content-type" not in alpha.requests[-1].headers


async def test_artifact_over_a_limit_is_given_up_and_leaves_no_file(tmp_path: Path, client_for: ClientFor) -> None:
    alpha = alpha_with(["/a.csv", "/b.csv"], **{"a.csv": FIGURES, "b.csv": FIGURES})
    client = client_for(alpha, step_artifact_bytes=7)
    failure = await failure_of(call_of({"each": "response.body.url", "url": "item"}), client, tmp_path)
    assert failure.code == "ANSWER_TOO_LARGE"
    assert "'b.csv' is larger than the 3 bytes left of the 7 in one step" in failure.message
    assert not await asyncio.to_thread(lambda: list(tmp_path.iterdir()))


@pytest.mark.parametrize("answer", [httpx2.Response(404), httpx2.Response(302, headers={"Location": "http://elsewhere.test/"})])
async def test_artifact_that_is_not_there_is_a_failure(client_for: ClientFor, answer: httpx2.Response) -> None:
    failure = await failure_of(call_of({"url": "response.body.url"}), client_for(alpha_with("/a.csv", **{"a.csv": answer})))
    assert f"answers {answer.status_code} for the artifact 'a.csv' at http://alpha.test/a.csv" in failure.message
