"""A service that has keys: who is let in, who is not, and what each is told."""

import asyncio
import hashlib
import json
import resource
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from api_keys import bearer, let_expire, make_key, revoke
from fastapi import FastAPI
from fastapi.routing import APIRoute
from scripted_module import ScriptedModule, StartService, modules_yaml

from ops_orchestrator.service.access.failed_tries import MOST_AT_ONCE
from ops_orchestrator.service.access.key_ring import KeyRing
from ops_orchestrator.service.access.keys_file import changing
from ops_orchestrator.service.access.needed_scope import is_in_table, needed_scope
from ops_orchestrator.service.app import create_app
from ops_orchestrator.settings import Settings

SCENARIO = {"scenario_id": "demo", "modules": ["alpha"]}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A file of keys, with one that nobody has."""
    file = tmp_path / "keys.json"
    make_key(file, "nobody")
    return file


async def test_only_what_watches_the_service_is_answered_without_a_key(start_service: StartService, keys: Path) -> None:
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        is_open = [await service.get(path) for path in ("/health", "/ready")]
        closed = [await service.get(path) for path in ("/runs", "/modules", "/openapi.json", "/docs", "/nowhere")]
        closed.append(await service.post("/plan_and_execute", json=SCENARIO))
    assert [answer.status_code for answer in is_open] == [200, 200]
    assert [answer.status_code for answer in closed] == [401] * 6
    assert all(answer.headers["www-authenticate"].startswith("Bearer ") for answer in closed)
    problem = closed[0].json()
    assert (problem["type"], "OPS_API_KEY" in problem["detail"]) == ("urn:openpolicystack:problem:unauthorized", True)


async def test_key_does_what_its_scope_says_and_is_told_which_one_is_missing(start_service: StartService, keys: Path) -> None:
    reader, runner = bearer(make_key(keys, "reader", "read")), bearer(make_key(keys, "runner", "run"))
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        refused = await service.post("/plan_and_execute", json=SCENARIO, headers=reader)
        started = await service.post("/plan_and_execute", json=SCENARIO, headers=runner)
        run = f"/runs/{started.json()['run_id']}"
        seen = [await service.get(f"{run}{path}", headers=reader) for path in ("", "/results", "/logs", "/archive", "/events")]
        orders = [await service.post(f"{run}/{order}", headers=reader) for order in ("cancel", "resume", "reproduce")]
        reloaded = await service.post("/modules/reload", headers=runner)
    assert (refused.status_code, "the scope run" in refused.json()["detail"]) == (403, True)
    assert 'scope="run"' in refused.headers["www-authenticate"]
    assert started.status_code == 200
    assert [answer.status_code for answer in seen] == [200] * 5
    assert [answer.status_code for answer in orders] == [403] * 3
    assert (reloaded.status_code, "the scope admin" in reloaded.json()["detail"]) == (403, True)


@pytest.mark.parametrize("end", [revoke, let_expire])
async def test_key_that_is_revoked_or_expires_counts_no_longer_at_once(
    start_service: StartService, keys: Path, end: Callable[[Path, str], None]
) -> None:
    anna, other = bearer(make_key(keys, "anna")), bearer(make_key(keys, "other"))
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        before = await service.get("/runs", headers=anna)
        end(keys, "anna")
        after = [await service.get("/runs", headers=sent) for sent in (anna, other)]
    assert before.status_code == 200
    assert [answer.status_code for answer in after] == [401, 200]


async def test_key_counts_until_its_expiry_and_one_that_is_added_counts_at_once(
    start_service: StartService, keys: Path
) -> None:
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        anna = bearer(make_key(keys, "anna", expires_in=timedelta(hours=1)))
        assert (await service.get("/runs", headers=anna)).status_code == 200


async def test_refusal_is_the_same_whatever_is_wrong_with_a_key(start_service: StartService, keys: Path) -> None:
    token = make_key(keys, "anna")
    revoked = make_key(keys, "gone")
    expired = make_key(keys, "late", expires_in=-timedelta(seconds=1))
    revoke(keys, "gone")
    wrong = [f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}", f"ops_00000000{token[12:]}", "ops", revoked, expired]
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        answers = [await service.get("/runs", headers=bearer(sent)) for sent in wrong]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1


async def test_key_with_an_unknown_id_costs_what_one_with_a_wrong_secret_does(
    start_service: StartService, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[dict[str, Any]] = []
    scrypt = hashlib.scrypt

    def counted(password: bytes, *, salt: bytes, **cost: int) -> bytes:
        computed.append(cost | {"password": len(password), "salt": len(salt)})
        return scrypt(password, salt=salt, **cost)

    token = make_key(keys, "anna")
    wrong_secret, unknown_id = f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}", f"ops_00000000{token[12:]}"
    monkeypatch.setattr(hashlib, "scrypt", counted)
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        for sent in (wrong_secret, unknown_id):
            await service.get("/runs", headers=bearer(sent))
    of_the_wrong_secret, of_the_unknown_id = computed
    assert of_the_unknown_id == of_the_wrong_secret


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer  ", "ops"])
async def test_header_that_holds_no_key_is_401(start_service: StartService, keys: Path, header: str) -> None:
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        answer = await service.get("/runs", headers={"Authorization": header})
        twice = await service.get("/runs", headers=[("Authorization", f"Bearer {make_key(keys, 'anna')}")] * 2)
    assert (answer.status_code, twice.status_code) == (401, 401)


async def test_key_in_the_address_is_refused_and_nowhere_repeated(
    start_service: StartService, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = make_key(keys, "anna")
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        answers = [await service.get(f"/runs?{name}={token}", headers=bearer(token)) for name in ("key", "access_token")]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert "ops keys revoke" in answers[0].json()["detail"]
    assert token not in "".join((*(answer.text for answer in answers), *capsys.readouterr()))


@pytest.mark.parametrize("address", ["/runs?key=%s", "/runs?key=%%6f%s", "/runs/%s", "/runs?a=1&access_token=x"])
async def test_key_anywhere_in_the_address_and_however_it_is_written_is_refused(
    start_service: StartService, keys: Path, address: str
) -> None:
    token = make_key(keys, "anna")
    path = address.replace("%%6f%s", f"%6f{token[1:]}").replace("%s", token)
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        answer = await service.get(path, headers=bearer(token))
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:openpolicystack:problem:key-in-address")


async def test_guessing_is_slowed_and_logged_and_holds_up_nobody_who_has_a_key(
    start_service: StartService, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = make_key(keys, "anna")
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        await service.get("/runs", headers=bearer(token))
        guesses = [bearer(f"guess-{number}") for number in range(MOST_AT_ONCE + 5)]
        answers = [await service.get("/runs", headers=guess) for guess in guesses]
        mine = await service.get("/runs", headers=bearer(token))
    assert {answer.status_code for answer in answers[:MOST_AT_ONCE]} == {401}
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert mine.status_code == 200
    logged = "".join(capsys.readouterr())
    assert 1 <= logged.count("access.refused") <= 3
    assert "127.0.0.1" in logged
    assert "guess-" not in logged


async def test_log_names_a_refused_key_by_its_public_id(
    start_service: StartService, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, key_id, secret = (token := make_key(keys, "anna")).split("_", 2)
    revoke(keys, "anna")
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        await service.get("/runs", headers=bearer(token))
    logged = "".join(capsys.readouterr())
    assert (key_id in logged, secret in logged) == (True, False)


def test_file_that_others_can_write_and_one_without_keys_are_told_of_at_the_start(
    keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys.chmod(0o666)
    KeyRing.open(keys)
    with changing(keys) as present:
        present.clear()
    KeyRing.open(keys)
    logged = "".join(capsys.readouterr())
    assert (logged.count(f"chmod 600 {keys}"), logged.count("has no key, so that nobody can use the service")) == (1, 1)


async def test_keys_of_many_requests_at_once_are_checked_once(start_service: StartService, keys: Path) -> None:
    token = make_key(keys, "anna")
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        asked = [service.get("/runs", headers=bearer(token)) for _ in range(5 * MOST_AT_ONCE)]
        answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}


def damage(file: Path, content: str | None) -> None:
    """Have the file hold something else, or take it away."""
    file.unlink()
    if content is not None:
        file.write_text(content)


@pytest.mark.parametrize("content", ["{", None])
async def test_without_a_readable_file_no_key_counts(
    start_service: StartService, keys: Path, tmp_path: Path, content: str | None
) -> None:
    token, unseen = make_key(keys, "anna"), make_key(keys, "other")
    kept = tmp_path / "kept.json"
    shutil.move(keys, kept)
    shutil.copy(kept, keys)
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        await service.get("/runs", headers=bearer(token))
        damage(keys, content)
        broken = await service.get("/runs", headers=bearer(token))
        others = [await service.get("/runs", headers=bearer(unseen)) for _ in range(MOST_AT_ONCE + 5)]
        shutil.copy(kept, keys)
        repaired = [await service.get("/runs", headers=bearer(each)) for each in (token, unseen)]
    assert (broken.status_code, "the service's log says why" in broken.json()["detail"]) == (503, True)
    assert {answer.status_code for answer in others} == {503}
    assert [answer.status_code for answer in repaired] == [200, 200]


async def test_file_that_cannot_be_opened_for_a_while_is_read_again_unchanged(
    start_service: StartService, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = bearer(make_key(keys, "anna"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        make_key(keys, "other")
        with keys.open("rb") as lowest_free:
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free.fileno(), hard))
        try:
            broken = [await service.get("/runs", headers=sent) for _ in range(3)]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        while (answer := await service.get("/runs", headers=sent)).status_code == 503:  # noqa: ASYNC110  # time makes it true
            await asyncio.sleep(0.05)
    assert {each.status_code for each in broken} == {503}
    assert answer.status_code == 200
    assert "".join(capsys.readouterr()).count("access.keys_unreadable") == 1


def test_table_has_a_row_for_every_request_that_the_service_answers(tmp_path: Path) -> None:
    file = tmp_path / "modules.yaml"
    file.write_text(modules_yaml(["alpha"]))
    app = create_app(Settings(modules_file=file, runs_dir=tmp_path / "runs", _env_file=None))
    asked = [(method, route.path) for route in app.routes if isinstance(route, APIRoute) for method in route.methods or ()]
    assert len(asked) > 25
    assert [request for request in asked if not is_in_table(*request)] == []
    changing = {path: needed_scope(method, path) for method, path in asked if method not in ("GET", "HEAD")}
    assert {path: scope for path, scope in changing.items() if scope != "run"} == {"/modules/reload": "admin"}
    assert isinstance(app, FastAPI)


@pytest.mark.parametrize("path", ["/health/", "//health", "/assets/../runs", "/ready\n", "/logins", "/assets/api.js"])
def test_what_only_looks_like_an_open_address_needs_a_key(path: str) -> None:
    assert needed_scope("GET", path) == "read"


def test_what_no_row_has_needs_the_highest_scope() -> None:
    assert {needed_scope("DELETE", "/runs/x"), needed_scope("POST", "/new"), needed_scope("OPTIONS", "/runs")} == {"admin"}


def test_json_of_a_key_has_no_secret(keys: Path) -> None:
    token = make_key(keys, "anna")
    assert token.split("_", 2)[2] not in json.dumps(json.loads(keys.read_text()))
