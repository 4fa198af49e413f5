"""The session of a browser: the form, the cookie, where it leads, what ends it, and what nobody else can do with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx2
import pytest
from api_keys import bearer, let_expire, make_key, revoke
from browsed_pages import HTML
from scripted_module import Gate, ScriptedModule, StartService

from ops_orchestrator.service.access.failed_tries import MOST_AT_ONCE

HOST: Final = {"Host": "127.0.0.1:8000"}
BROWSER: Final = HTML | HOST
FORM: Final = BROWSER | {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
FOREIGN: Final = FORM | {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
SCENARIO: Final = {"scenario_id": "demo", "modules": ["alpha"]}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys.json"
    make_key(file, "nobody")
    return file


async def log_in(service: httpx2.AsyncClient, token: str, address: str = "/") -> httpx2.Response:
    answer = await service.post("/login", content=f"key={token}&next={quote(address, safe='')}", headers=FORM)
    # Each test says itself which cookie it sends.
    service.cookies.clear()
    return answer


def cookie(answer: httpx2.Response) -> dict[str, str]:
    """The headers with which a browser comes back that was given the cookie of an answer."""
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


async def test_browser_logs_in_and_comes_to_where_it_wanted_to_go(start_service: StartService, keys: Path) -> None:
    token = make_key(keys, "anna")
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        sent = await service.get("/runs?status=failed", headers=BROWSER)
        form = await service.get(sent.headers["location"], headers=BROWSER)
        back = await log_in(service, token, "/?status=failed")
        page = await service.get(back.headers["location"], headers=BROWSER | cookie(back))
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=%2Fruns%3Fstatus%3Dfailed")
    assert 'type="password"' in form.text
    assert token not in form.text
    assert (back.status_code, back.headers["location"]) == (303, "/?status=failed")
    assert page.status_code == 200
    assert "may read and run" in page.text


async def test_cookie_is_out_of_reach_of_scripts_other_sites_and_the_next_day(start_service: StartService, keys: Path) -> None:
    token = make_key(keys, "anna")
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        plain = (await log_in(service, token)).headers["set-cookie"]
    async with start_service(ScriptedModule(), api_keys_file=keys, published_at="https://ops.example") as service:
        secure = (await log_in(service, token)).headers["set-cookie"]
    name, *flags = plain.split("; ")
    assert name.startswith("ops-session-8000=")
    assert flags == ["Path=/", "Max-Age=28800", "HttpOnly", "SameSite=Strict"]
    assert token.split("_", 2)[2] not in plain
    assert secure.startswith("__Host-ops-session-8000=")
    assert secure.endswith("; Secure")


@pytest.mark.parametrize(
    "address",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", "evil", "/login", "/logout", ""],
)
async def test_login_leads_to_addresses_of_this_service_alone(start_service: StartService, keys: Path, address: str) -> None:
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        back = await log_in(service, make_key(keys, "anna"), address)
        form = await service.get("/login", params={"next": address}, headers=BROWSER)
    assert back.headers["location"] == "/"
    assert "evil" not in form.text


async def test_wrong_key_is_refused_in_the_form_and_guesses_are_slowed(start_service: StartService, keys: Path) -> None:
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        answers = [await log_in(service, f"guess-{number}") for number in range(MOST_AT_ONCE + 2)]
    assert (answers[0].status_code, answers[-1].status_code) == (401, 429)
    assert "was revoked, or has expired" in answers[0].text
    assert "set-cookie" not in answers[0].headers
    assert all("guess-" not in answer.text for answer in answers)


async def test_cookie_that_comes_again_after_the_logout_is_worth_nothing(start_service: StartService, keys: Path) -> None:
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        session = cookie(await log_in(service, make_key(keys, "anna")))
        before = await service.get("/runs", headers=HOST | session)
        out = await service.post("/logout", headers=FORM | session)
        after = await service.get("/runs", headers=HOST | session)
    assert (before.status_code, after.status_code) == (200, 401)
    assert (out.status_code, out.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in out.headers["set-cookie"]


async def test_login_takes_the_place_of_the_session_that_the_browser_had(start_service: StartService, keys: Path) -> None:
    token = make_key(keys, "anna")
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        first = cookie(await log_in(service, token))
        second = cookie(await service.post("/login", content=f"key={token}", headers=FORM | first))
        service.cookies.clear()
        answers = [await service.get("/runs", headers=HOST | session) for session in (first, second)]
    assert first != second
    assert [answer.status_code for answer in answers] == [401, 200]


@pytest.mark.parametrize("end", [revoke, let_expire])
async def test_session_ends_with_its_key(start_service: StartService, keys: Path, end: Callable[[Path, str], None]) -> None:
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        session = cookie(await log_in(service, make_key(keys, "anna")))
        before = await service.get("/runs", headers=HOST | session)
        end(keys, "anna")
        after = await service.get("/runs", headers=HOST | session)
    assert (before.status_code, after.status_code) == (200, 401)


@pytest.mark.parametrize("value", ["", "x", "a" * 43, '"; DROP TABLE sessions', "%00"])
async def test_cookie_of_nobody_is_401(start_service: StartService, keys: Path, value: str) -> None:
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        answer = await service.get("/runs", headers=HOST | {"Cookie": f"ops-session-8000={value}; other=1"})
    assert answer.status_code == 401


async def test_page_of_another_site_can_neither_log_in_nor_out_nor_start_anything(
    start_service: StartService, keys: Path
) -> None:
    token = make_key(keys, "anna")
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        session = cookie(await log_in(service, token))
        # Browsers do not send a strict cookie so; here it is sent all the same.
        sent = [
            await service.post("/login", content=f"key={token}", headers=FOREIGN),
            await service.post("/logout", headers=FOREIGN | session),
            await service.post("/runs", content="example=baseline", headers=FOREIGN | session),
            await service.post("/plan_and_execute", json=SCENARIO, headers=HOST | session | {"Sec-Fetch-Site": "cross-site"}),
            # And what does not say where it comes from is no browser's.
            await service.post("/plan_and_execute", json=SCENARIO, headers=HOST | session),
            await service.post("/login", content=f"key={token}", headers=BROWSER),
        ]
        still = await service.get("/runs", headers=HOST | session)
    assert [answer.status_code for answer in sent] == [403] * 6
    assert (still.status_code, still.json()["runs"]) == (200, [])


@pytest.mark.parametrize("origin", ["https://app.example.org", "http://127.0.0.1:3000", "null"])
async def test_cookie_is_not_taken_from_another_origin_even_if_that_may_use_the_api(
    start_service: StartService, keys: Path, origin: str
) -> None:
    # To a browser, another port or a sister name is the same site, and so it sends a strict cookie.
    sent = HOST | {"Origin": origin, "Sec-Fetch-Site": "same-site"}
    token, allowed = make_key(keys, "anna"), "https://app.example.org, http://127.0.0.1:3000"
    async with start_service(ScriptedModule(), api_keys_file=keys, cors_origins=allowed) as service:
        session = cookie(await log_in(service, token))
        with_cookie = [
            await service.post("/plan_and_execute", json=SCENARIO, headers=sent | session),
            await service.get("/runs", headers=sent | session),
        ]
        with_key = await service.get("/runs", headers=sent | bearer(token))
        own = await service.get("/runs", headers=HOST | session | {"Origin": "http://127.0.0.1:8000"})
    assert [answer.status_code for answer in with_cookie] == [403, 403]
    assert (with_key.status_code, with_key.json()["runs"]) == (200, [])
    assert own.status_code == 200


async def test_form_that_was_sent_after_the_session_is_not_done_and_says_so(start_service: StartService, keys: Path) -> None:
    referer = {"Referer": "http://127.0.0.1:8000/runs/new?example=baseline"}
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        sent = await service.post("/runs", content="example=baseline", headers=FORM | referer)
        form = await service.get(sent.headers["location"], headers=BROWSER)
    assert (sent.status_code, "what you sent was not done" in form.text) == (303, True)
    assert 'value="/runs/new?example=baseline"' in form.text


async def test_link_from_elsewhere_leads_on_by_a_page_of_ours_so_that_the_cookie_comes(
    start_service: StartService, keys: Path
) -> None:
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        answer = await service.get("/runs/x?a=%22%3E", headers=BROWSER | {"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert 'content="0; url=/runs/x?a=%22%3E"' in answer.text


async def test_link_from_elsewhere_leads_to_no_other_host(start_service: StartService, keys: Path) -> None:
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        # The client would take the address for another host, too.
        request = service.build_request("GET", "/x", headers=BROWSER | {"Sec-Fetch-Site": "cross-site"})
        request.url = httpx2.URL("http://orchestrator.test//evil.example/x")
        answer = await service.send(request)
    assert answer.status_code == 200
    assert 'content="0; url=/.//evil.example/x"' in answer.text


async def test_key_without_the_scope_sees_no_buttons_and_a_page_that_says_why(start_service: StartService, keys: Path) -> None:
    gate = Gate()
    reader, runner = make_key(keys, "rita", "read"), make_key(keys, "anna", "run")
    async with start_service(ScriptedModule(answers=[gate]), api_keys_file=keys) as service:
        started = await service.post("/plan_and_execute", json=SCENARIO, headers=bearer(runner) | {"Prefer": "respond-async"})
        run = f"/runs/{started.json()['run_id']}"
        await gate.asked.wait()
        may, may_not = [cookie(await log_in(service, token)) for token in (runner, reader)]
        addresses = ("/", run, "/runs/new", "/sweeps", "/sweeps/new")
        shown = {each: (await service.get(each, headers=BROWSER | may)).text for each in addresses}
        hidden = {each: (await service.get(each, headers=BROWSER | may_not)).text for each in addresses}
        order = await service.post(f"{run}/cancel", headers=FORM | may_not)
        gate.opened.set()
    for address in addresses:
        assert 'method="post" action="/runs' in shown[address] or 'method="post" action="/sweeps' in shown[address], address
        assert hidden[address].count('method="post"') == 1, address  # the logout
        assert "the scope run" in hidden[address], address
        assert "anna" not in hidden[address].partition("</header>")[0]
    assert (order.status_code, order.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "This needs a key with the scope run" in order.text
    assert f"{run}/cancel" in order.text


async def test_page_of_a_refusal_is_nobodys_to_ask_for(start_service: StartService, keys: Path) -> None:
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        answer = await service.get("/refused", headers=BROWSER | bearer(make_key(keys, "anna")))
    assert answer.status_code == 404


async def test_without_keys_there_is_nothing_to_log_in_to(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        answers = [await service.get("/login", headers=BROWSER), await service.post("/logout", headers=FORM)]
        page = await service.get("/", headers=BROWSER)
    assert [answer.status_code for answer in answers] == [303, 303]
    assert "Log out" not in page.text
