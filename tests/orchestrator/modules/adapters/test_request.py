import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ops_contract import validate
from ops_orchestrator.errors import Failure, StepError
from ops_orchestrator.exchange import Request
from ops_orchestrator.modules.adapters.declaration import Action
from ops_orchestrator.modules.adapters.evaluation import Evaluation
from ops_orchestrator.modules.adapters.request import map_request

CONTEXT = {
    "inputs": {"country": "DO", "years": [2024, 2025], "rate": 0.18, "full": True, "nothing": None, "tax": {"vat": 18}},
    "scenario_id": "demo",
    "run_id": "run-1",
    "step_id": "score",
    "seed": 42,
    "options": {"seed": 42, "deadline_s": 59.0},
    "upstream": {
        "model": {"outputs": {"growth": 0.02}, "raw": {"kpi_table": [{"name": "gdp", "value": 1.5}]}},
        "data-layer": {"outputs": {"gdp": 100}, "raw": ["a", "b"]},
    },
}


def request_of(inputs: dict[str, Any] | None = None, **declared: Any) -> Request:
    action = validate(Action, {"path": "/score", **declared}, "action")
    context = CONTEXT if inputs is None else {**CONTEXT, "inputs": inputs}
    return map_request(action, Evaluation("legacy", "score", context))


def failure_of(inputs: dict[str, Any] | None = None, **declared: Any) -> Failure:
    with pytest.raises(StepError) as caught:
        request_of(inputs, **declared)
    assert caught.value.failure.code == "MAPPING_FAILED"
    return caught.value.failure


def test_action_without_a_body_sends_none() -> None:
    request = request_of(method="GET")
    assert (request.method, request.path, request.body) == ("GET", "/score", b"")
    assert "Content-Type" not in request.headers


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("inputs", CONTEXT["inputs"]),
        ('{ "iso": inputs.country, "tax": inputs.tax }', {"iso": "DO", "tax": {"vat": 18}}),
        ('{ "iso": inputs.country, "sector": inputs.sector, "none": inputs.nothing }', {"iso": "DO", "none": None}),
        ('{ "id": scenario_id & "/" & run_id & "/" & step_id, "seed": seed }', {"id": "demo/run-1/score", "seed": 42}),
        ('{ "rate": $string(inputs.rate), "year": $string(inputs.years[0]) }', {"rate": "0.18", "year": "2024"}),
        ('{ "deadline": options.deadline_s }', {"deadline": 59}),
        ("upstream.model.raw", {"kpi_table": [{"name": "gdp", "value": 1.5}]}),
        ("upstream.model.raw.kpi_table{ name: value }", {"gdp": 1.5}),
        ("upstream.`data-layer`.raw", ["a", "b"]),
        ("{ 'a': upstream.model.outputs, 'b': upstream.`data-layer`.outputs }", {"a": {"growth": 0.02}, "b": {"gdp": 100}}),
        (
            "$merge($each(upstream, function($step, $id) { { $id: $step.outputs } }))",
            {"model": {"growth": 0.02}, "data-layer": {"gdp": 100}},
        ),
        ('"text"', "text"),
        ("[]", []),
        ("{}", {}),
        ("false", False),
        (0, 0),
    ],
    ids=str,
)
def test_body_is_the_json_that_its_expression_yields(body: Any, sent: Any) -> None:
    request = request_of(body=body)
    assert json.loads(request.body) == sent
    assert request.headers["Content-Type"] == "application/json"


def test_body_is_utf_8_as_it_is() -> None:
    assert request_of({"country": "Côte d'Ivoire"}, body="inputs").body == '{"country":"Côte d\'Ivoire"}'.encode()


@pytest.mark.parametrize("body", ["inputs.absent", "null", "inputs.nothing", "inputs.years[$ > 3000]"])
def test_body_that_is_nothing_is_a_failure_naming_the_expression(body: str) -> None:
    message = failure_of(body=body).message
    assert "body of its action 'score'" in message
    assert "yields nothing" in message
    assert body in message


@pytest.mark.parametrize("body", ["{ 'a': $number('NaN') }", r"['\ud800']"])
def test_body_that_json_cannot_carry_is_a_failure(body: str) -> None:
    assert "body of its action 'score'" in failure_of(body=body).message


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ({"iso": "inputs.country"}, "?iso=DO"),
        ({"last": 5, "full": "inputs.full", "rate": "inputs.rate"}, "?last=5&full=true&rate=0.18"),
        ({"year": "inputs.years"}, "?year=2024&year=2025"),
        ({"year": "inputs.years", "iso": "inputs.country"}, "?year=2024&year=2025&iso=DO"),
        ({"year": "[]"}, ""),
        ({"year": "inputs.absent", "month": "inputs.nothing"}, ""),
        ({"year": "inputs.absent", "iso": "inputs.country"}, "?iso=DO"),
        ({"q": "''"}, "?q="),
    ],
    ids=str,
)
def test_query_repeats_lists_and_leaves_out_what_is_nothing(query: dict[str, Any], sent: str) -> None:
    assert request_of(query=query).path == f"/score{sent}"


@pytest.mark.parametrize("value", ["a b&c=d#e?f/g", "é", "a\r\nX: 1", "%2e", "+"])
def test_query_brings_any_text_across(value: str) -> None:
    parts = urlsplit(request_of({"a": value}, query={"a b&": "inputs.a"}).path)
    assert parts.path == "/score"
    assert parse_qsl(parts.query) == [("a b&", value)]
    assert not parts.fragment


@pytest.mark.parametrize("value", ["inputs.tax", "[inputs.tax]", "[[1]]"])
def test_query_that_is_no_text_is_a_failure_naming_the_parameter(value: str) -> None:
    assert "query.year of its action 'score'" in failure_of(query={"year": value}).message


def test_path_and_query_are_put_together() -> None:
    request = request_of(path="/countries/{inputs.country}/{inputs.years[0]}", query={"last": 5})
    assert request.path == "/countries/DO/2024?last=5"


@pytest.mark.parametrize("value", ["a/../b", "../admin", "a/b", "?x=1", "#", "%2e%2e", "\x00", ";"])
def test_value_in_a_path_stays_in_its_segment(value: str) -> None:
    parts = urlsplit(request_of({"a": value}, path="/x/{inputs.a}/y").path)
    assert parts.path.count("/") == 3
    assert (parts.query, parts.fragment) == ("", "")
    assert not {".", ".."} & set(parts.path.split("/"))


@pytest.mark.parametrize("value", ["", ".", ".."])
@pytest.mark.parametrize("path", ["/x/{inputs.a}/y", "/{inputs.a}", "/{inputs.a}{inputs.a}/y", "/.{inputs.a}/y"])
def test_value_that_would_lead_to_another_path_is_a_failure(path: str, value: str) -> None:
    message = failure_of({"a": value}, path=path).message
    assert "path of its action 'score'" in message
    assert repr(value) in message
    assert "inputs.a" in message


def test_value_that_completes_a_segment_of_dots_is_a_failure() -> None:
    assert "'/.;x/y'" in failure_of({"a": ";x"}, path="/.{inputs.a}/y").message


@pytest.mark.parametrize(
    ("text", "said"), [("inputs.absent", "yields nothing"), ("inputs.tax", "an object"), ("inputs.years", "an array")]
)
def test_value_that_is_no_part_of_a_path_is_a_failure(text: str, said: str) -> None:
    message = failure_of(path=f"/x/{{{text}}}").message
    assert "path of its action 'score'" in message
    assert said in message


@pytest.mark.parametrize("declared", [{"path": r"/{'\ud800'}"}, {"query": {"a": r"'\ud800'"}}], ids=str)
def test_text_that_no_address_can_carry_is_a_failure(declared: dict[str, Any]) -> None:
    assert failure_of(**declared)


def test_headers_take_texts_numbers_and_booleans_and_leave_out_nothing() -> None:
    headers = {"X-Run": "run_id", "X-Seed": "seed", "X-Full": "inputs.full", "X-None": "inputs.absent", "X-Null": "null"}
    found = request_of(headers=headers).headers
    assert {name: found[name] for name in found if name.startswith("X-")} == {
        "X-Run": "run-1",
        "X-Seed": "42",
        "X-Full": "true",
    }


def test_headers_of_the_declaration_win_over_ours() -> None:
    headers = {"Accept": "'application/pdf'", "Content-Type": "'application/vnd.x+json'"}
    assert dict(request_of(body="{}", headers=headers).headers) == {
        "Accept": "application/pdf",
        "Content-Type": "application/vnd.x+json",
    }


@pytest.mark.parametrize("name", ["content-type", "CONTENT-TYPE", "accept"])
def test_headers_of_the_declaration_win_over_ours_in_any_letters(name: str) -> None:
    names = [found.lower() for found in request_of(body="{}", headers={name: "'text/x'"}).headers]
    assert names.count(name.lower()) == 1


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "a\x7f", "é", "\u2028", "\t"])
def test_value_that_would_break_out_of_a_header_is_a_failure(value: str) -> None:
    message = failure_of({"a": value}, headers={"X-Note": "inputs.a"}).message
    assert "headers.X-Note of its action 'score'" in message
    assert "no header can hold" in message


@pytest.mark.parametrize("text", ["'s3cret\n'", "'s3cret' + 1", "{ 's3cret': 1 }", "$uppercase(1) & 's3cret'"])
def test_secret_in_a_header_is_in_no_failure(text: str) -> None:
    message = failure_of(headers={"Authorization": text}).message
    assert "headers.Authorization" in message
    assert "s3cret" not in message


@pytest.mark.parametrize("text", ["'s3cret' + 1", "{ 's3cret': 1 }", "[['s3cret']]", "$uppercase(1) & 's3cret'"])
def test_secret_in_the_query_is_in_no_failure(text: str) -> None:
    message = failure_of(query={"api_key": text}).message
    assert "query.api_key" in message
    assert "s3cret" not in message


def test_null_in_a_list_of_a_query_is_left_out() -> None:
    assert request_of({"a": [1, None, 2]}, query={"n": "inputs.a"}).path.endswith("?n=1&n=2")


@pytest.mark.parametrize("value", ["..;", ".;x", "..;jsessionid=1"])
def test_value_that_some_servers_read_as_dots_is_a_failure(value: str) -> None:
    assert "cannot be a part of a path" in failure_of({"a": value}, path="/x/{inputs.a}/y").message


def test_whole_number_in_a_path_has_no_fraction() -> None:
    assert request_of({"a": 2026.0}, path="/x/{inputs.a}").path == "/x/2026"
