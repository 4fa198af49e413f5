import asyncio
import resource
import signal
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from scripted_module import ClientFor, Gate, ScriptedModule

from ops_contract import Artifact, ArtifactRef, SuccessEnvelope, sha256_hex
from ops_orchestrator.errors import Failure, StepError
from ops_orchestrator.modules.answer import ArtifactSource, InlineFile, ReceivedArtifact, RemoteFile, SharedFile
from ops_orchestrator.modules.artifacts import receive_all
from ops_orchestrator.modules.call import Call, UpstreamAnswer
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module

Sources = tuple[ArtifactSource, ...]
FIGURES: Final = httpx2.Response(200, content=b"figures")


async def failure_of(call: Awaitable[object]) -> Failure:
    with pytest.raises(StepError) as caught:
        await call
    return caught.value.failure


def call_of(module: Module, *earlier: int) -> Call:
    """A call of `module` in a run whose earlier steps have artifacts of the sizes `earlier`."""
    refs = (ArtifactRef(name="e.txt", media_type="text/plain", size_bytes=size, sha256="0" * 64) for size in earlier)
    answers = (UpstreamAnswer(SuccessEnvelope(status="success", module="beta", outputs={}), (ref,), None) for ref in refs)
    upstream = {f"step-{index}": answer for index, answer in enumerate(answers)}
    fields = {"run_id": "run", "scenario_id": "demo", "step_id": "alpha", "action": "execute", "inputs": {}, "seed": 0}
    return Call(module=module, upstream=upstream, **fields)  # type: ignore[arg-type]  # each is of the type of its field


async def receive(source: ArtifactSource, module: Module, client: ModuleClient, staging: Path | None) -> ReceivedArtifact:
    (received,) = await receive_all((source,), call_of(module), client, staging)
    return received


def paths_in(folder: Path) -> set[Path]:
    return set(folder.iterdir())


def is_empty(folder: Path) -> bool:
    return not paths_in(folder)


def inline(name: str, content: bytes = b"figures") -> InlineFile:
    return InlineFile(name, "text/plain", content)


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


async def test_inline_artifacts_stay_in_memory_and_others_are_staged_in_the_order_of_the_answer(
    module: Module, client_for: ClientFor, tmp_path: Path
) -> None:
    client = client_for(ScriptedModule(files={"/f": FIGURES}))
    sources = (inline("a.txt", b"a"), remote("f"), inline("b.txt", b"b"))
    first, fetched, last = await receive_all(sources, call_of(module), client, tmp_path)
    assert (first.content, last.content) == (b"a", b"b")
    assert [artifact.ref.name for artifact in (first, fetched, last)] == ["a.txt", "f.txt", "b.txt"]
    assert first.ref.sha256 == sha256_hex(b"a")
    assert paths_in(tmp_path) == {fetched.content}


async def test_staging_folder_is_made_for_the_first_file(module: Module, client_for: ClientFor, tmp_path: Path) -> None:
    client = client_for(ScriptedModule(files={"/f": FIGURES}))
    staging = tmp_path / "staging"
    await receive(inline("a.txt"), module, client, staging)
    assert is_empty(tmp_path)
    fetched = {(await receive(remote("f"), module, client, staging)).content for _ in range(2)}
    assert paths_in(staging) == fetched


async def test_inline_artifacts_that_are_not_kept_are_described(module: Module, client_for: ClientFor) -> None:
    received = await receive_all((inline("a.txt"),), call_of(module), client_for(), None)
    assert received == (ReceivedArtifact(inline("a.txt").ref, None),)


async def test_failed_artifact_leaves_none_of_the_others(module: Module, client_for: ClientFor, tmp_path: Path) -> None:
    sources = (remote("f"), remote("absent"))
    client = client_for(ScriptedModule(files={"/f": FIGURES}))
    assert (await failure_of(receive_all(sources, call_of(module), client, tmp_path))).requirement
    assert is_empty(tmp_path)


async def test_cancelled_step_leaves_no_artifact(module: Module, client_for: ClientFor, tmp_path: Path) -> None:
    gate = Gate()
    client = client_for(ScriptedModule(files={"/f": FIGURES, "/held": gate}))
    receiving = asyncio.create_task(receive_all((remote("f"), remote("held")), call_of(module), client, tmp_path))
    await gate.asked.wait()
    assert not is_empty(tmp_path)
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert is_empty(tmp_path)


async def test_disk_that_refuses_an_artifact_is_our_failure_and_leaves_nothing(
    module: Module, client_for: ClientFor, tmp_path: Path, small_files: int
) -> None:
    large = bytes(small_files + 1)
    client = client_for(ScriptedModule(files={"/f": FIGURES, "/large": httpx2.Response(200, content=large)}))
    with pytest.raises(OSError, match="File too large"):
        await receive_all((remote("f"), remote("large", large)), call_of(module), client, tmp_path)
    assert is_empty(tmp_path)


@pytest.fixture
def small_files() -> Iterator[int]:
    """No file may have more bytes than this: the system refuses to write them, as on a full disk."""
    limit = 64 * 1024
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


TEN: Final = b"0123456789"
RUN: Final = "OPS_MAX_RUN_ARTIFACT_BYTES"


@pytest.mark.parametrize(
    ("limits", "artifacts", "message"),
    [
        (
            {"step_artifacts": 1},
            (inline("a.txt"), inline("b.txt")),
            "answers with 2 artifacts; at most 1 in one step are accepted (OPS_MAX_STEP_ARTIFACTS)",
        ),
        (
            {"artifact_bytes": 9},
            (inline("a", TEN),),
            "answers with the artifact 'a' of 10 bytes; at most 9 in one artifact are accepted (OPS_MAX_ARTIFACT_BYTES)",
        ),
        (
            {"step_artifact_bytes": 19},
            (inline("a.txt", TEN), remote("f", TEN)),
            "answers with 20 bytes of artifacts; at most 19 in one step are accepted (OPS_MAX_STEP_ARTIFACT_BYTES)",
        ),
        (
            {"run_artifact_bytes": 29},
            (remote("f", TEN),),
            f"answers with 10 bytes of artifacts, 30 in the run; at most 29 in one run are accepted ({RUN})",
        ),
    ],
)
async def test_artifacts_beyond_a_limit_are_refused_before_any_is_fetched(
    module: Module, client_for: ClientFor, limits: dict[str, int], artifacts: Sources, message: str
) -> None:
    alpha = ScriptedModule(files={"/f": httpx2.Response(200, content=TEN)})
    failure = await failure_of(receive_all(artifacts, call_of(module, 5, 15), client_for(alpha, **limits), None))
    assert (failure.code, failure.message, failure.retryable) == ("ANSWER_TOO_LARGE", f"alpha {message}", False)
    assert not alpha.requests


async def test_artifacts_at_the_limits_are_received(module: Module, client_for: ClientFor, tmp_path: Path) -> None:
    limits = {"step_artifacts": 2, "artifact_bytes": 10, "step_artifact_bytes": 20, "run_artifact_bytes": 40}
    client = client_for(ScriptedModule(files={"/f": httpx2.Response(200, content=TEN)}), **limits)
    assert len(await receive_all((inline("a.txt", TEN), remote("f", TEN)), call_of(module, 5, 15), client, tmp_path)) == 2


async def test_artifact_with_more_bytes_than_it_declares_is_given_up(
    module: Module, client_for: ClientFor, tmp_path: Path
) -> None:
    client = client_for(ScriptedModule(files={"/f": httpx2.Response(200, content=TEN)}))
    failure = await failure_of(receive(remote("f", b"figures"), module, client, tmp_path))
    assert failure.message == "alpha sends more than the 7 bytes that it declares for the artifact 'f.txt'"
    assert failure.requirement == "OPS-ART-004"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"artifact_bytes": 9}, "9 bytes that OPS_MAX_ARTIFACT_BYTES allows"),
        ({"step_artifact_bytes": 17}, "9 bytes left of the 17 in one step that OPS_MAX_STEP_ARTIFACT_BYTES allows"),
        ({"run_artifact_bytes": 36}, "8 bytes left of the 36 in one run that OPS_MAX_RUN_ARTIFACT_BYTES allows"),
    ],
)
async def test_file_on_a_volume_beyond_a_limit_is_given_up_while_it_is_read(
    module: Module, client_for: ClientFor, tmp_path: Path, limits: dict[str, int], reason: str
) -> None:
    (tmp_path / "staging").mkdir()
    (tmp_path / "b.txt").write_bytes(TEN)
    sources = (inline("a.txt", TEN[:8]), SharedFile("b.txt", "text/plain", "b.txt", tmp_path, None))
    failure = await failure_of(receive_all(sources, call_of(module, 20), client_for(**limits), tmp_path / "staging"))
    assert failure.message.endswith(f"b.txt is larger than the {reason}")
    assert is_empty(tmp_path / "staging")
