"""The legacy service over HTTP, as adapters meet it: forecasts, indicators, and what it does not serve."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from ops_contract import ContractError, parse_envelope
from ops_stubs.app import create_all
from ops_stubs.catalogue import LEGACY, STUBS
from ops_stubs.legacy import create_legacy

pytestmark = pytest.mark.anyio

Connect = Callable[[Starlette], AbstractAsyncContextManager[httpx2.AsyncClient]]

DO = {"country_code": "DO", "years": "5"}
PLAIN = "text/plain; charset=utf-8"


@pytest.fixture
async def client(connect: Connect, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with connect(create_legacy(tmp_path / "shared")) as opened:
        yield opened


async def test_forecast_answers_rows_and_what_to_know_about_them(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/forecast", json=DO)
    told = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert [year for year, _ in told["rows"]] == [2026, 2027, 2028, 2029, 2030]
    assert told["model"] == {"name": "trend", "rev": "7"}
    assert len(told["sources"]) == 2
    assert told["sources"][0] == "Synthetic national accounts, made up by the stub"
    assert told["commentary"].startswith("Dominican Republic: growth of ")
    assert "Synthetic" in told["commentary"]


async def test_forecast_is_in_percent_near_the_trend_of_the_country(client: httpx2.AsyncClient) -> None:
    rows = (await client.post("/forecast", json={"country_code": "DO", "years": 30})).json()["rows"]
    assert 3.5 < sum(value for _, value in rows) / 30 < 5.5


async def test_forecast_is_nothing_that_the_contract_knows(client: httpx2.AsyncClient) -> None:
    with pytest.raises(ContractError):
        parse_envelope((await client.post("/forecast", json=DO)).json())


async def test_forecast_decides_by_its_seed(client: httpx2.AsyncClient) -> None:
    bodies = [DO, DO | {"seed": 0}, DO | {"seed": 1}, DO | {"seed": "1"}, DO | {"seed": 2}, DO | {"country_code": "ES"}]
    rows = [str((await client.post("/forecast", json=body)).json()["rows"]) for body in bodies]
    assert rows[0] == rows[1]
    assert rows[2] == rows[3]
    assert len(set(rows)) == 4


async def test_forecast_of_more_years_begins_with_that_of_fewer(client: httpx2.AsyncClient) -> None:
    short, long = [(await client.post("/forecast", json=DO | {"years": years})).json()["rows"] for years in (3, 30)]
    assert long[:3] == short


@pytest.mark.parametrize("years", [1, 5.0, " 7 ", 30])
async def test_forecast_takes_years_as_number_or_text(client: httpx2.AsyncClient, years: object) -> None:
    answer = await client.post("/forecast", json=DO | {"years": years})
    assert len(answer.json()["rows"]) == int(str(years).strip().removesuffix(".0"))


@pytest.mark.parametrize("years", [0, 31, 5.5, "five", "nan", "inf", True, None, [5], 10**400], ids=lambda y: str(y)[:9])
async def test_forecast_with_bad_years_answers_a_list_of_texts(client: httpx2.AsyncClient, years: object) -> None:
    answer = await client.post("/forecast", json=DO | {"years": years})
    assert (answer.status_code, answer.json()) == (422, ["years must be 1 to 30"])


@pytest.mark.parametrize(("code", "shown"), [("XX", "XX"), ("do", "do"), (7, "7"), (["DO"], "['DO']"), ("x" * 1000, "x" * 80)])
async def test_forecast_for_an_unknown_country_answers_a_bare_text(
    client: httpx2.AsyncClient, code: object, shown: str
) -> None:
    answer = await client.post("/forecast", json=DO | {"country_code": code})
    assert (answer.status_code, answer.json()) == (400, f"unknown country: {shown}")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 100_000])
@pytest.mark.parametrize("path", ["/forecast", "/archive/execute"])
async def test_body_that_is_no_json_object_is_400(client: httpx2.AsyncClient, path: str, content: bytes) -> None:
    answer = await client.post(path, content=content)
    in_json = path == "/forecast"
    told = "the body is not a JSON object"
    assert (answer.status_code, answer.text) == (400, f'"{told}"' if in_json else told)
    assert answer.headers["content-type"] == ("application/json" if in_json else PLAIN)


async def test_indicators_answer_a_list_of_texts_as_html(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/indicators?iso=DO&name=gdp_growth&last=5")
    rows = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert [row["y"] for row in rows] == [2021, 2022, 2023, 2024, 2025]
    assert rows[-1] == {"y": 2025, "v": "4.500"}
    assert all(isinstance(row["v"], str) for row in rows)


async def test_indicators_are_facts_of_a_country(client: httpx2.AsyncClient) -> None:
    few, many, other = [
        (await client.get(f"/indicators?{query}")).json()
        for query in ("iso=DR&name=debt&last=3", "iso=DO&name=debt&last=30", "iso=ES&name=debt&last=3")
    ]
    assert few == many[-3:]
    assert len(many) == 30
    assert other != few


@pytest.mark.parametrize("name", ["gdp_growth", "inflation", "revenue", "debt", "gini"])
async def test_indicators_known_to_the_readme_are_served(client: httpx2.AsyncClient, repository: Path, name: str) -> None:
    assert f"`{name}`" in (repository / "stubs/README.md").read_text()
    assert len((await client.get("/indicators", params={"iso": "KE", "name": name})).json()) == 5


@pytest.mark.parametrize(("last", "rows"), [("0", 1), ("99", 30), ("x", 5), ("-2", 5), ("9" * 5000, 5), ("", 5)])
async def test_indicators_mend_a_bad_last_without_a_word(client: httpx2.AsyncClient, last: str, rows: int) -> None:
    answer = await client.get("/indicators", params={"iso": "DO", "name": "gini", "last": last})
    assert (answer.status_code, len(answer.json())) == (200, rows)


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("name=gdp_growth", 400, "iso is missing"),
        ("iso=&name=gdp_growth", 400, "iso is missing"),
        ("iso=XX&name=gdp_growth", 404, "no series for XX"),
        ("iso=XX&name=foo", 404, "no series for XX"),
    ],
)
async def test_indicators_without_a_known_country_fail_in_plain_text(
    client: httpx2.AsyncClient, query: str, status: int, text: str
) -> None:
    answer = await client.get(f"/indicators?{query}")
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (status, text, PLAIN)


async def test_indicators_hide_an_unknown_name_in_a_success(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/indicators?iso=DO&name=foo")
    assert (answer.status_code, answer.json()) == (200, {"error": "unknown indicator: foo"})


async def test_indicators_as_html_carry_no_tags_of_the_caller(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/indicators", params={"iso": "DO", "name": "<b>"})
    assert "<" not in answer.text
    assert answer.json() == {"error": "unknown indicator: <b>"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/health"),
        ("POST", "/execute"),
        ("GET", "/forecast"),
        ("POST", "/indicators"),
        ("GET", "/indicators/"),
        ("GET", "/archive/metadata"),
        ("GET", "/archive/execute"),
    ],
)
async def test_everything_else_is_404_in_plain_text(client: httpx2.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (404, "Not Found", PLAIN)


@pytest.mark.parametrize("path", ["/forecast", "/report", "/archive/execute"])
async def test_body_over_the_limit_is_413(connect: Connect, tmp_path: Path, path: str) -> None:
    async with connect(create_legacy(tmp_path, max_request_bytes=100)) as client:
        over = await client.post(path, content=b" " * 101)
        just = await client.post(path, content=b" " * 100)
    assert (over.status_code, over.headers["content-type"]) == (413, PLAIN)
    assert "100 bytes" in over.text
    assert just.status_code in {400, 500}


async def test_all_stubs_in_one_application_have_the_legacy_service_beside_them(connect: Connect, tmp_path: Path) -> None:
    async with connect(create_all(shared_dir=tmp_path)) as client:
        index = (await client.get("/")).json()
        health = await client.get("/legacy/health")
        forecast = await client.post("/legacy/forecast", json=DO)
        archived = await client.post("/legacy/archive/execute", json={"inputs": {"a": 1}})
    assert index["neighbours"] == [{"name": "legacy", "path": "/legacy", "summary": LEGACY.summary}]
    assert (health.status_code, health.text) == (404, "Not Found")
    assert forecast.json()["rows"]
    assert archived.json()["artifacts"][0]["file_path"] == str(tmp_path / "archive/summary.json")


def test_legacy_service_is_no_module() -> None:
    assert LEGACY.name not in STUBS


async def test_assessment_takes_a_form_and_names_wrong_fields(client: httpx2.AsyncClient) -> None:
    asked = {"iso": "DO", "sector": ["tourism", "trade"]}
    first, second = [(await client.post("/assess", data=asked)).json() for _ in range(2)]
    assert (first, set(first["points"])) == (second, {"tourism", "trade"})
    wrong = await client.post("/assess", data={"iso": "XX"})
    assert (wrong.status_code, set(wrong.json()["errors"])) == (400, {"iso", "sector"})
    assert (await client.post("/assess", json=asked)).status_code == 415


async def test_review_takes_an_upload_and_says_what_came(client: httpx2.AsyncClient) -> None:
    files = {"document": ("a.pdf", b"%PDF-1.7\r\n\x00", "application/pdf")}
    told = (await client.post("/review", files=files, data={"remark": "Año"})).json()
    assert (told["file"], told["type"], told["bytes"], told["remark"]) == ("a.pdf", "application/pdf", 11, "Año")
    assert (await client.post("/review", files={"document": b"text"})).status_code == 400
    assert (await client.post("/review", content=b"%PDF-")).status_code == 415


@pytest.mark.parametrize(("total", "go"), [(50, True), (49.9, False)])
async def test_decision_follows_the_total(client: httpx2.AsyncClient, total: float, go: bool) -> None:
    assert (await client.post("/decide", json={"total": total})).json()["go"] is go
    assert (await client.post("/decide", json={"total": "x"})).status_code == 400
