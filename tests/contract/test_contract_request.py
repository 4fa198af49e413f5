"""From what arrives at `POST /execute` to a request: what is refused, and what counts as the same body."""

import json
from typing import Any

import pytest

from ops_contract import Problem, RefusalError, check_request_headers, is_encoded, read_request, trace_of

TRACE = "0af7651916cd43dd8448eb211c80319c"


def body(**fields: Any) -> dict[str, Any]:
    """The body of an execute request."""
    known = {"contract_version": "1.0", "run_id": "run-1", "step_id": "step", "scenario_id": "demo", "action": "execute"}
    return {**known, "inputs": {"country": "DR"}, "options": {"seed": 42}, **fields}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json ;x=1",
    ],
)
def test_check_request_headers_with_json_lets_pass(content_type: str) -> None:
    check_request_headers({"content-type": content_type})


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/jsonp",
        "application/problem+json",
        "json",
        "application/json; charset=utf-16",
        "application/json; x=1; charset=latin1",
    ],
)
def test_check_request_headers_with_another_type_refuses(content_type: str) -> None:
    with pytest.raises(RefusalError, match="application/json") as raised:
        check_request_headers({"content-type": content_type})
    assert raised.value.status == 415


@pytest.mark.parametrize("header", ["", " ", "identity", "Identity", "identity, IDENTITY", "identity,"])
def test_content_that_is_sent_as_it_is_does_not_count_as_encoded(header: str) -> None:
    assert not is_encoded(header)


@pytest.mark.parametrize("header", ["gzip", "GZIP", "identity, gzip", "gzip, identity", "identity;q=1", "x"])
def test_content_in_any_other_coding_counts_as_encoded(header: str) -> None:
    assert is_encoded(header)


@pytest.mark.parametrize(("encoding", "refused"), [("Identity", False), ("br, gzip", True)])
def test_check_request_headers_with_a_compressed_body_refuses(encoding: str, refused: bool) -> None:
    headers = {"content-type": "application/json", "content-encoding": encoding}
    if refused:
        with pytest.raises(RefusalError, match="must not be compressed"):
            check_request_headers(headers)
    else:
        check_request_headers(headers)


def test_read_request_of_a_valid_body_is_the_request() -> None:
    request = read_request(json.dumps(body()).encode()).request
    assert (request.action, request.options.seed, request.inputs["country"]) == ("execute", 42, "DR")


def test_read_request_of_the_same_value_written_otherwise_has_one_fingerprint() -> None:
    """OPS-IDM-001: a proxy or another library may write the same body in its own way."""
    usual = json.dumps(body())
    others = [
        json.dumps(body(), indent=4),
        json.dumps(dict(reversed(body().items()))),
        usual.replace('"seed": 42', '"seed": 42.0'),
        usual.replace("demo", "\\u0064emo"),
    ]
    assert {read_request(raw.encode()).fingerprint for raw in others} == {read_request(usual.encode()).fingerprint}


@pytest.mark.parametrize(
    "change", [{"options": {"seed": 43}}, {"scenario_id": "x"}, {"note": "new"}, {"inputs": {"country": "CO"}}]
)
def test_read_request_of_a_changed_value_has_another_fingerprint(change: dict[str, Any]) -> None:
    """OPS-IDM-002."""
    assert (
        read_request(json.dumps(body(**change)).encode()).fingerprint != read_request(json.dumps(body()).encode()).fingerprint
    )


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", "MALFORMED_JSON"),
        (b"[]", "INVALID_REQUEST"),
        (b"null", "INVALID_REQUEST"),
        (b'"text"', "INVALID_REQUEST"),
        (b'{"contract_version": "3.0"}', "UNSUPPORTED_VERSION"),
        (b'{"contract_version": "x.0"}', "INVALID_REQUEST"),
        (b'{"contract_version": "01.0"}', "INVALID_REQUEST"),
        (b'{"contract_version": 2}', "INVALID_REQUEST"),
        (b'{"contract_version": "1.0", "n": 9007199254740993}', "MALFORMED_JSON"),
    ],
)
def test_read_request_of_anything_else_says_what_it_is(raw: bytes, code: str) -> None:
    with pytest.raises(RefusalError) as raised:
        read_request(raw)
    assert raised.value.code == code


def test_read_request_of_too_many_values_names_the_limit_and_its_setting() -> None:
    raw = json.dumps(body(inputs={"table": [0] * 100})).encode()
    with pytest.raises(RefusalError, match="more than the 100 JSON values, keys included, that OPS_LIMIT allows") as raised:
        read_request(raw, max_values=100, setting="OPS_LIMIT")
    assert (raised.value.status, raised.value.code) == (413, "TOO_LARGE")


def test_read_request_with_a_misspelt_field_names_it() -> None:
    raw = json.dumps(body()).replace('"action"', '"actoin"').encode()
    with pytest.raises(RefusalError, match=r"^/action is required; 'actoin' is not a known field$"):
        read_request(raw)


def test_read_request_with_more_upstream_steps_than_any_run_has_is_one_problem() -> None:
    raw = json.dumps(body(upstream={str(number): 0 for number in range(100_000)})).encode()
    with pytest.raises(RefusalError, match=r"^/upstream must hold at most 1000 steps, not 100000$"):
        read_request(raw)


def test_read_request_of_a_number_that_cannot_be_carried_points_to_it() -> None:
    with pytest.raises(RefusalError, match="2\\^53") as raised:
        read_request(json.dumps(body(inputs={"deep": [1, 2**53 + 1]})).encode())
    assert (raised.value.status, raised.value.pointer) == (400, "/inputs/deep/1")


def test_refusal_of_many_problems_points_to_the_first_and_shows_twenty() -> None:
    problems = tuple(Problem(f"/{number}", "is wrong") for number in range(30))
    error = RefusalError.of_problems("X", problems)
    assert (error.status, error.pointer, error.details["problem_count"], len(error.details["problems"])) == (422, "/0", 30, 20)
    assert error.message == "/0 is wrong; 29 more in error.details.problems"


@pytest.mark.parametrize(("status", "retryable"), [(503, True), (500, False), (422, False), (404, False)])
def test_refusal_is_worth_a_second_try_only_when_the_module_was_late(status: int, retryable: bool) -> None:
    assert RefusalError(status, "X", "x").retryable is retryable


@pytest.mark.parametrize(
    "sent", ["", "x", f"00-{TRACE}", f"ff-{TRACE}-b7ad6b7169203331-01", f"00-{'0' * 32}-b7ad6b7169203331-01"]
)
def test_trace_of_a_caller_without_a_valid_one_is_none(sent: str) -> None:
    assert trace_of({"traceparent": sent}) == {}


def test_trace_of_a_caller_is_repeated() -> None:
    """OPS-OBS-001."""
    assert trace_of({"traceparent": f" 00-{TRACE}-b7ad6b7169203331-01"}) == {"trace_id": TRACE}


def test_refusal_becomes_an_error_envelope_with_what_it_says() -> None:
    envelope = RefusalError(422, "X", "is wrong", pointer="/inputs").envelope("alpha", "1.2.3", {"trace_id": TRACE})
    told = {"code": "X", "message": "is wrong", "retryable": False, "details": {}, "pointer": "/inputs"}
    assert envelope == {
        "status": "error",
        "module": "alpha",
        "version": "1.2.3",
        "contract_version": "1.0",
        "error": told,
        "meta": {"trace_id": TRACE},
    }
