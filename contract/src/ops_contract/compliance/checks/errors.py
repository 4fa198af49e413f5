"""Wrong requests: whether each gets the right error in an envelope, and whether the module works afterwards."""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from ops_contract.compliance.checks.every_answer import broken_in
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, judged, met

_MALFORMED = (b"", b"{", b'{"a": NaN}', b"\xff\xfe", b"[1,]")
_NO_OBJECT = (b"null", b"7", b'"x"', b"[]")
_COERCED = ({"seed": "1"}, {"seed": False}, {"seed": 1.5})
_OF_EVERY_ANSWER = ("OPS-ERR-001", "OPS-ERR-002", "OPS-ERR-006", "OPS-ERR-007", "OPS-ERR-008")
_HUGE_BYTES = 32 * 1024 * 1024
_MISSING = "/run_id"
_VERSION = "/contract_version"


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Send requests that are wrong in one way each."""
    unknown = Seen(await module.execute(module.request(action="no-such-action")))
    malformed = [Seen(await module.execute(body)) for body in _MALFORMED]
    misshapen = [(pointer, Seen(await module.execute(body))) for pointer, body in _misshapen(module)]
    coerced = [Seen(await module.execute(module.request(options=options))) for options in _COERCED]
    odd = [Seen(await module.execute(body)) for body in _NO_OBJECT]
    method = Seen(await module.probe.send("DELETE", "/execute"))
    media = Seen(await module.execute(json.dumps(module.request()).encode(), headers={"Content-Type": "text/plain"}))
    await module.recover()
    everything = [unknown, *malformed, *(seen for _, seen in misshapen), *coerced, *odd, method, media]
    yield _known_actions(unknown, module)
    yield _first("OPS-ERR-003", "400", [seen for seen in malformed if seen.exchange.status != 400], malformed)
    yield _pointers(misshapen)
    yield _first("OPS-ERR-005", "422", [seen for seen in coerced if not seen.is_refusal], coerced)
    found = broken_in(module, [seen.exchange for seen in everything])
    for requirement in _OF_EVERY_ANSWER:
        yield found.get(requirement) or met(requirement, everything[0])
    yield met("OPS-ERR-009", *(Seen(one.after) for one in module.recoveries.asked[-1:]))
    yield _method_and_media_type(method, media)
    large = Seen(await module.execute(b'{"filler": "' + b"x" * _HUGE_BYTES + b'"}', timeout_s=20))
    # A module without a limit reads the whole body and refuses it for its content.
    refused = large.exchange.status in (413, 422) or large.is_done
    yield judged("OPS-LIM-003", refused, f"413 for a body of {_HUGE_BYTES} bytes", large.summary())


def _misshapen(module: ModuleUnderTest) -> Sequence[tuple[str, dict[str, Any]]]:
    """Requests that break the schema in one place each."""
    return (
        (_MISSING, module.request(run_id=None)),
        ("/inputs", module.request(inputs=[1])),
        ("/options/seed", module.request(options={"seed": -1})),
        (_VERSION, module.request(contract_version="one")),
        (_VERSION, module.request(contract_version="01.0")),
    )


def _known_actions(seen: Seen, module: ModuleUnderTest) -> Observation:
    text = json.dumps(seen.error)
    lists = seen.fields.get("status") == "error" and all(action in text for action in module.actions)
    expected = f"an error envelope that names {', '.join(module.actions)}"
    return judged("OPS-EXE-005", lists, expected, f"{seen.summary()}: {text[:200]}", seen)


def _pointers(answers: Sequence[tuple[str, Seen]]) -> Observation:
    for pointer, seen in answers:
        # Validators of JSON Schema point to the object that lacks a field.
        right = (pointer, "") if pointer == _MISSING else (pointer,)
        if seen.exchange.status != 422 or seen.error.get("pointer") not in right:
            actual = f"{seen.summary()} with the pointer {seen.error.get('pointer')!r}"
            if not (pointer == _VERSION and seen.is_refusal):
                return broken("OPS-ERR-004", f"422 with the pointer {pointer!r}", actual, seen)
    return met("OPS-ERR-004", *(seen for _, seen in answers))


def _method_and_media_type(method: Seen, media: Seen) -> Observation:
    if method.exchange.status != 405 or "post" not in method.exchange.headers.get("allow", "").lower():
        allowed = method.exchange.headers.get("allow", "none")
        return broken("OPS-ERR-010", "405 with Allow: POST", f"{method.summary()} with Allow: {allowed}", method)
    return judged("OPS-ERR-010", media.exchange.status == 415, "415 for a body of text/plain", media.summary(), media)


def _first(requirement: str, expected: str, wrong: list[Seen], all_of_them: list[Seen]) -> Observation:
    if not wrong:
        return met(requirement, all_of_them[0])
    return broken(requirement, expected, wrong[0].summary(), wrong[0])
