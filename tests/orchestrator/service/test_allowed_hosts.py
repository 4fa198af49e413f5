"""Under which names the service answers, and what it tells browsers that show its answers."""

from pathlib import Path

import httpx2
import pytest
from scripted_module import ScriptedModule, StartService, artifact, success
from served_app import served

from ops_orchestrator.service.allowed_hosts import AllowedHosts
from ops_orchestrator.service.app import create_app
from ops_orchestrator.settings import Settings

SCENARIO = {"scenario_id": "demo", "modules": ["alpha"]}
TOLD = ("x-content-type-options", "referrer-policy", "cross-origin-resource-policy", "cross-origin-opener-policy")


@pytest.mark.parametrize("path", ["/", "/runs", "/health", "/docs", "/assets/ops.js", "/openapi.json", "/nothing"])
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
async def test_page_that_was_rebound_to_our_address_reads_nothing(start_service: StartService, path: str, accept: str) -> None:
    async with start_service(ScriptedModule()) as service:
        answer = await service.get(path, headers={"Host": "evil.example:8000", "Accept": accept})
    assert answer.status_code == 421
    assert "add it to OPS_ALLOWED_HOSTS" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        *((host, True) for host in ("localhost", "LOCALHOST.:8000", "ops.localhost:1", "127.0.0.1:8000", "[::1]:8000")),
        *((host, True) for host in ("10.1.2.3", "ops.example:8000", "a.in.example", "published.example", "bound", "[FE80::1]")),
        *((host, False) for host in ("evil.example", "in.example", "a.b.in.example", "xlocalhost", "localhost.evil.example")),
        *((host, False) for host in ("", ":8000", "user@localhost", "localhost/x", "localhost:x", "127.1", "0x7f000001")),
        *((host, False) for host in ("2130706433", "::1", "[::1", "[localhost]", "localhost localhost", "localhost,evil")),
    ],
)
def test_service_is_known_by_the_names_that_it_has_and_by_addresses(host: str, is_known: bool) -> None:
    settings = Settings(
        _env_file=None, allowed_hosts="ops.example, *.in.example", host="bound", published_at="https://published.example:9/x"
    )
    assert AllowedHosts.of(settings).knows(host) is is_known


async def test_every_answer_tells_a_browser_what_not_to_do_with_it(tmp_path: Path) -> None:
    (tmp_path / "modules.yaml").write_text("modules: {}")
    app = create_app(Settings(_env_file=None, modules_file=tmp_path / "modules.yaml", runs_dir=tmp_path / "runs"))
    paths = [str(getattr(route, "path", "")) for route in app.routes] + [
        "/",
        "/docs",
        "/assets/ops.js",
        "/runs/new",
        "/nothing",
    ]

    @app.get("/broken")
    def broken() -> None:
        raise ValueError

    async with served(app) as url, httpx2.AsyncClient(base_url=url, verify=False, timeout=None) as client:
        for path in {*paths, "/broken"}:
            for method in ("GET", "POST", "OPTIONS"):
                for accept in ("text/html", "*/*"):
                    answer = await client.request(method, path, headers={"Accept": accept})
                    assert_told(answer)
        assert_told(await client.get("/health", headers={"Host": "evil.example"}))
        assert_told(await client.get("/health", headers={"X-Long": "x" * 70_000}))


def assert_told(answer: httpx2.Response) -> None:
    """Fail unless the answer has each header once, and no policy that lets a script in it run or other pages show it."""
    told = [len(answer.headers.get_list(name)) for name in (*TOLD, "content-security-policy")]
    assert told == [1] * 5, (answer.request.method, answer.url, answer.status_code, answer.headers)
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'unsafe" not in policy
    assert policy.startswith(("default-src 'none'", "sandbox; default-src 'none'"))


@pytest.mark.parametrize(
    ("media_type", "kind"), [("text/html", "inline"), ("image/svg+xml", "inline"), ("application/pdf", "attachment")]
)
async def test_artifact_is_shown_in_a_sandbox_or_downloaded(start_service: StartService, media_type: str, kind: str) -> None:
    made = success(artifacts=[artifact("a.file", b"<script>alert(1)</script>", media_type)])
    async with start_service(ScriptedModule(answers=[made])) as service:
        run_id = (await service.post("/plan_and_execute", json=SCENARIO)).json()["run_id"]
        answer = await service.get(f"/runs/{run_id}/artifacts/alpha/a.file")
    assert answer.headers["content-disposition"] == f'{kind}; filename="a.file"'
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert_told(answer)


ORIGIN = {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


async def test_script_of_a_configured_origin_may_use_the_api_without_credentials(start_service: StartService) -> None:
    async with start_service(ScriptedModule(), cors_origins="https://other.example, https://app.example") as service:
        asked = await service.options("/plan_and_execute", headers=ORIGIN | PREFLIGHT)
        made = await service.post("/plan_and_execute", json=SCENARIO, headers=ORIGIN)
        wrong = await service.post("/plan_and_execute", json={}, headers=ORIGIN)
    assert [answer.status_code for answer in (asked, made, wrong)] == [204, 200, 422]
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert "Content-Type" in asked.headers["access-control-allow-headers"]
    for answer in (asked, made, wrong):
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert "access-control-allow-credentials" not in answer.headers
        assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize("origins", ["", "https://other.example"])
@pytest.mark.parametrize(
    "origin", ["https://app.example", "null", "https://other.example.evil.example", "http://other.example"]
)
async def test_script_of_another_origin_may_not(start_service: StartService, origins: str, origin: str) -> None:
    foreign = ORIGIN | {"Origin": origin}
    async with start_service(ScriptedModule(), cors_origins=origins) as service:
        asked = await service.options("/plan_and_execute", headers=foreign | PREFLIGHT)
        made = await service.post("/plan_and_execute", json=SCENARIO, headers=foreign)
        read = await service.get("/runs", headers=foreign)
    assert [answer.status_code for answer in (asked, made, read)] == [405, 403, 200]
    assert not any("access-control-allow-origin" in answer.headers for answer in (asked, made, read))
