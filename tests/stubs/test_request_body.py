"""From bytes to a request: what is refused, and what counts as the same body."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message

from ops_stubs.errors import RefusalError
from ops_stubs.request_body import check_headers, parse, receive

MakeBody = Callable[..., dict[str, Any]]


def incoming(*messages: Message, **headers: str) -> Request:
    """A request whose body arrives in `messages`."""
    pending = list(messages)

    async def next_message() -> Message:
        return pending.pop(0)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/execute", "headers": raw}, next_message)


def piece(content: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


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
def test_check_headers_with_json_lets_pass(content_type: str) -> None:
    check_headers(Headers({"content-type": content_type}))


@pytest.mark.parametrize(
    "content_type", ["", "application/jsonp", "application/problem+json", "json", "application/json; charset=utf-16"]
)
def test_check_headers_with_another_type_refuses(content_type: str) -> None:
    with pytest.raises(RefusalError, match="application/json") as raised:
        check_headers(Headers({"content-type": content_type}))
    assert raised.value.status == 415


@pytest.mark.parametrize(
    ("encoding", "refused"), [("identity", False), ("Identity", False), ("gzip", True), ("br, gzip", True)]
)
def test_check_headers_with_a_compressed_body_refuses(encoding: str, refused: bool) -> None:
    headers = Headers({"content-type": "application/json", "content-encoding": encoding})
    if refused:
        with pytest.raises(RefusalError, match="must not be compressed"):
            check_headers(headers)
    else:
        check_headers(headers)


@pytest.mark.anyio
async def test_receive_joins_the_pieces() -> None:
    request = incoming(piece(b"ab", more=True), piece(b"", more=True), piece(b"c"))
    assert await receive(request, 3) == b"abc"


@pytest.mark.anyio
async def test_receive_of_an_announced_giant_reads_nothing() -> None:
    request = incoming(content_length="1000000000")
    with pytest.raises(RefusalError, match="larger than the 10 bytes") as raised:
        await receive(request, 10)
    assert raised.value.status == 413


@pytest.mark.anyio
@pytest.mark.parametrize("announced", ["3", "-1", "many", "9" * 30, ""])
async def test_receive_counts_whatever_was_announced(announced: str) -> None:
    """A length that is wrong or no number does not let a large body in."""
    request = incoming(piece(b"x" * 8, more=True), piece(b"x" * 8), content_length=announced)
    with pytest.raises(RefusalError) as raised:
        await receive(request, 10)
    assert raised.value.status == 413


@pytest.mark.anyio
async def test_receive_from_a_caller_that_hangs_up_is_no_failure_of_ours() -> None:
    request = incoming(piece(b"ab", more=True), {"type": "http.disconnect"})
    with pytest.raises(RefusalError, match="ended before the body did") as raised:
        await receive(request, 10)
    assert raised.value.status == 400


def test_parse_of_a_valid_body_is_the_request(body: MakeBody) -> None:
    request = parse(json.dumps(body()).encode()).request
    assert (request.action, request.options.seed, request.inputs["country"]) == ("execute", 42, "DR")


def test_parse_of_the_same_value_written_otherwise_has_one_fingerprint(body: MakeBody) -> None:
    """OPS-IDM-001: a proxy or another library may write the same body in its own way."""
    usual = json.dumps(body())
    others = [
        json.dumps(body(), indent=4),
        json.dumps(dict(reversed(body().items()))),
        usual.replace('"seed": 42', '"seed": 42.0'),
        usual.replace("demo", "\\u0064emo"),
    ]
    assert {parse(raw.encode()).fingerprint for raw in others} == {parse(usual.encode()).fingerprint}


@pytest.mark.parametrize(
    "change", [{"options": {"seed": 43}}, {"scenario_id": "x"}, {"note": "new"}, {"inputs": {"country": "CO"}}]
)
def test_parse_of_a_changed_value_has_another_fingerprint(body: MakeBody, change: dict[str, Any]) -> None:
    """OPS-IDM-002."""
    assert parse(json.dumps(body(**change)).encode()).fingerprint != parse(json.dumps(body()).encode()).fingerprint


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", "MALFORMED_JSON"),
        (b"[]", "INVALID_REQUEST"),
        (b"null", "INVALID_REQUEST"),
        (b'"text"', "INVALID_REQUEST"),
        (b'{"contract_version": "3.0"}', "UNSUPPORTED_VERSION"),
        (b'{"contract_version": "x.0"}', "INVALID_REQUEST"),
        (b'{"contract_version": 2}', "INVALID_REQUEST"),
        (b'{"contract_version": "1.0", "n": 9007199254740993}', "INVALID_REQUEST"),
    ],
)
def test_parse_of_anything_else_says_what_it_is(raw: bytes, code: str) -> None:
    with pytest.raises(RefusalError) as raised:
        parse(raw)
    assert raised.value.code == code


def test_parse_of_a_number_that_cannot_be_carried_points_to_it(body: MakeBody) -> None:
    with pytest.raises(RefusalError, match="2\\^53") as raised:
        parse(json.dumps(body(inputs={"deep": [1, 2**53 + 1]})).encode())
    assert raised.value.pointer == "/inputs/deep/1"
