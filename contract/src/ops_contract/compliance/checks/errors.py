"""Wrong requests: whether each gets the right error in an envelope, and whether the module works afterwards."""

import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from http import HTTPStatus
from typing import Final

from ops_contract.compliance.checks.every_answer import broken_in
from ops_contract.compliance.checks.named import not_named
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, judged, met
from ops_contract.compliance.result import Exchange

_UNKNOWN_ACTIONS: Final = ("no-such-action", "executed", "Execute", "x" * 128)
_MALFORMED: Final = (
    ("an empty body", b""),
    ("a body of white space", b" "),
    ("an object without an end", b"{"),
    ("NaN", b'{"a": NaN}'),
    ("Infinity", b'{"a": Infinity}'),
    ("bytes that are not UTF-8", b"\xff\xfe"),
    ("a comma before the end of an array", b"[1,]"),
    ("single quotes", b"{'a': 1}"),
    ("a comment between slashes and asterisks", b'{"a": 1 /* b */}'),
    ("a comment at the end of a line", b'{"a": 1 // b\n}'),
)
_AFTER_A_REQUEST: Final = (("a word", b" x"), ("a second value", b"{}"), ("a bracket", b"]"))
_NO_OBJECT: Final = (b"null", b"7", b'"x"', b"[]")
_WRONG_METHODS: Final = (("DELETE", "/execute"), ("GET", "/execute"), ("PUT", "/execute"), ("POST", "/health"))
_RIGHT_METHOD: Final = {"/execute": "POST", "/health": "GET"}
_OTHER_MEDIA_TYPES: Final = ("text/plain", "application/x-www-form-urlencoded", "application/json-seq")
_OF_EVERY_ANSWER = ("OPS-ERR-001", "OPS-ERR-002", "OPS-ERR-006", "OPS-ERR-007", "OPS-ERR-008")
_HUGE_BYTES = 32 * 1024 * 1024


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Send requests that are wrong in one way each."""
    unknown = [Seen(await module.execute(module.request(action=one))) for one in _UNKNOWN_ACTIONS if one not in module.actions]
    malformed = [(what, Seen(await module.execute(body))) for what, body in _malformed(module)]
    odd = [Seen(await module.execute(body)) for body in _NO_OBJECT]
    methods = [Seen(await module.probe.send(method, path)) for method, path in _WRONG_METHODS]
    media = [Seen(await _sent_as(module, media_type)) for media_type in _OTHER_MEDIA_TYPES]
    await module.recover()
    everything = [*unknown, *(seen for _, seen in malformed), *odd, *methods, *media]
    yield _known_actions(unknown, module)
    yield _malformed_is_400(malformed)
    if served := next((seen for seen in odd if seen.is_done and seen.fields.get("status") == "success"), None):
        sent = served.exchange.request_body.decode()
        yield broken("OPS-ERR-004", f"422 for the body {sent}, which is no object", served.summary(), served)
    found = broken_in(module, [seen.exchange for seen in everything])
    for requirement in _OF_EVERY_ANSWER:
        yield found.get(requirement) or met(requirement, everything[0])
    yield met("OPS-ERR-009", *(Seen(one.after) for one in module.recoveries.asked[-1:]))
    yield _methods_and_media_types(methods, media)
    large = Seen(await module.execute(b'{"filler": "' + b"x" * _HUGE_BYTES + b'"}', timeout_s=20))
    # A module without a limit reads the whole body and refuses it for its content.
    refused = large.exchange.status in (413, 422) or large.is_done
    yield judged("OPS-LIM-003", refused, f"413 for a body of {_HUGE_BYTES} bytes", large.summary())


def _malformed(module: ModuleUnderTest) -> Iterator[tuple[str, bytes]]:
    yield from _MALFORMED
    for what, after in _AFTER_A_REQUEST:
        yield f"{what} after the request", json.dumps(module.request()).encode() + after


async def _sent_as(module: ModuleUnderTest, media_type: str) -> Exchange:
    return await module.execute(json.dumps(module.request()).encode(), headers={"Content-Type": media_type})


def _malformed_is_400(answers: Sequence[tuple[str, Seen]]) -> Observation:
    for what, seen in answers:
        if seen.exchange.status != HTTPStatus.BAD_REQUEST:
            return broken("OPS-ERR-003", f"400 for {what}", seen.summary(), seen)
    return met("OPS-ERR-003", answers[0][1])


def _known_actions(answers: Sequence[Seen], module: ModuleUnderTest) -> Observation:
    expected = f"an error envelope that names {', '.join(module.actions)}"
    for seen in answers:
        # A status that contradicts it is found as such (OPS-ERR-008).
        is_error = seen.fields.get("status") == "error" and not seen.is_redirect
        if not is_error or not_named(seen, module.actions, "known_actions"):
            return broken("OPS-EXE-005", expected, f"{seen.summary()}: {json.dumps(seen.error)[:200]}", seen)
    return met("OPS-EXE-005", *answers[:1])


def _methods_and_media_types(methods: Sequence[Seen], media: Sequence[Seen]) -> Observation:
    for seen in methods:
        exchange = seen.exchange
        right = next(method for path, method in _RIGHT_METHOD.items() if exchange.is_of(path))
        allow = exchange.headers.get("allow", "none")
        allowed = {method.strip().upper() for method in allow.split(",")}
        if exchange.status != HTTPStatus.METHOD_NOT_ALLOWED or right not in allowed or exchange.method in allowed:
            expected = f"405 with Allow: {right} for {exchange.method}"
            return broken("OPS-ERR-010", expected, f"{seen.summary()} with Allow: {allow}", seen)
    for seen in media:
        if seen.exchange.status != HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
            sent = seen.exchange.request_headers["Content-Type"]
            return broken("OPS-ERR-010", f"415 for a body of {sent}", seen.summary(), seen)
    return met("OPS-ERR-010", *methods[:1])
