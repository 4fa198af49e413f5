"""Which requests the modules of `ops-contract init` take and which they refuse: what the models do."""

import json
from typing import Any, Final

import pytest
from starter_process import good_request, post

from ops_contract import ExecuteRequest, ShapeError, validate

pytestmark = pytest.mark.slow

STEP: Final = {"module": "m", "outputs": {}}
FILE: Final = {"name": "a/b c.csv", "media_type": "text/csv; charset=utf-8", "size_bytes": 1.0, "sha256": "0" * 64}
NO_ITEMS: Final[tuple[Any, ...]] = (None, {}, [], [1], [{}])
PROOF: Final = {"id": "e", "kind": "k", "title": "t"}


def with_step(**changes: Any) -> dict[str, Any]:
    return {"upstream": {"a": {**STEP, **changes}}}


def with_file(**changes: Any) -> dict[str, Any]:
    return with_step(artifacts=[FILE, {**FILE, **changes}])


def with_proof(**changes: Any) -> dict[str, Any]:
    return with_step(evidence=[{**PROOF, **changes}])


def each(name: str, *values: Any) -> list[dict[str, Any]]:
    return [{name: value} for value in values]


ODD: Final[tuple[dict[str, Any], ...]] = (
    *({name: ...} for name in good_request()),
    *({name: None} for name in (*good_request(), "upstream", "options")),
    *each("run_id", "a\n", "\n", "é", "x" * 128, "x" * 129, ".x", "a b", "a/b", 7),
    *each("contract_version", "01.0", "1.00", "00.0"),
    *each("contract_version", "1", "1.0.0", "1.0\n", 1.0, "1.12345678901234", "1.123456789012345", "1.", "one"),
    *each("scenario_id", "", "x" * 201, "😀" * 200, "😀" * 201, "\x00"),
    *each("inputs", [], "x", {}, {"__proto__": 1, "constructor": {}}),
    *each("options", [], {}, {"seed": 1.0}, {"seed": 1e0}, {"seed": True}, {"seed": None}, {"seed": 2**31}),
    *({"options": {"deadline_s": odd}} for odd in (0, -1, None, True, "1", 1e308, 60)),
    *each("upstream", [], {"a": STEP}, {"a": None}, {"a": {}}, {"../x": STEP}, {"a~b/c": STEP}, {"": STEP}),
    *(with_step(artifacts=odd) for odd in NO_ITEMS),
    *(with_step(evidence=odd) for odd in NO_ITEMS),
    *(
        with_file(name=odd)
        for odd in ("../x", "a/../b", "a/./b", "/a", "a/", "a//b", "C:x", "a\\b", "a\x00", "", "a\n", "..a/b..")
    ),
    *(with_file(name=odd) for odd in ("é" * 255, "é" * 256, "😀" * 255, "x\x9f", 7)),
    *(with_file(media_type=odd) for odd in ("text", "text/", "text/csv\n", "text/csv;", "a/" + "b" * 253, "a/" + "b" * 254)),
    *(with_file(size_bytes=odd) for odd in (-1, 1.5, "1", True, 0, -0.0)),
    *(with_file(sha256=odd) for odd in ("0" * 63, "0" * 65, "A" * 64, "0" * 64 + "\n")),
    *(with_proof(**{name: odd}) for name in PROOF for odd in ("", None, 7, "\n")),
    *(with_proof(uri=odd) for odd in (None, "", 7)),
    *(with_proof(supports=odd) for odd in (None, [], ["", "/a~0~1/"], ["a"], ["/~2"], [7], "/a")),
    *(with_proof(artifact=odd) for odd in (None, "a", "..", "", 7)),
    *(with_proof(synthetic=odd) for odd in (None, True, 1, "true")),
    *(with_proof(observed_at=odd, unknown=1) for odd in (None, "yesterday", 7)),
)


def pointer_of_models(body: dict[str, Any]) -> str | None:
    try:
        validate(ExecuteRequest, body, "request")
    except ShapeError as error:
        return error.problems[0].pointer
    return None


def test_starter_refuses_what_the_models_refuse_with_the_same_pointer_and_nothing_else(url: str) -> None:
    """OPS-ERR-004, OPS-ERR-005, OPS-FWD-001."""
    expected, seen = {}, {}
    for changes in ODD:
        body = good_request(**changes)
        pointer = pointer_of_models(body)
        answer = post(url, body)
        expected[repr(changes)] = (200, None) if pointer is None else (422, pointer)
        seen[repr(changes)] = (answer.status_code, answer.json().get("error", {}).get("pointer"))
    assert seen == expected
    assert {status for status, _ in seen.values()} == {200, 422}


@pytest.mark.parametrize(
    ("inputs", "pointer"),
    [
        ({"time_horizon_years": 0}, "/inputs/time_horizon_years"),
        ({"time_horizon_years": 2.5}, "/inputs/time_horizon_years"),
        ({"policy_parameters": {"vat_rate": "0.18"}}, "/inputs/policy_parameters/vat_rate"),
        ({"policy_parameters": {"vat_rate": 18}}, "/inputs/policy_parameters/vat_rate"),
        ({"policy_parameters": None}, "/inputs/policy_parameters"),
    ],
)
def test_inputs_that_make_no_sense_are_refused_with_a_pointer(url: str, inputs: Any, pointer: str) -> None:
    error = post(url, good_request(inputs=inputs)).json()["error"]
    assert (error["code"], error["pointer"]) == ("INVALID_INPUT", pointer)
    assert error["message"].startswith(pointer)


def replaced(old: str, new: str) -> bytes:
    sent = json.dumps(good_request())
    assert old in sent
    return sent.replace(old, new, 1).encode(errors="surrogateescape")


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + json.dumps(good_request()).encode(),
        json.dumps(good_request()).encode() + b"{}",
        replaced('"country"', '"x": {"a": [{"b": 1, "\\u0062": 2}]}, "country"'),
        replaced('"DR"', '"\\ud800"'),
        replaced('"country"', '"\\udc00"'),
        replaced('"DR"', '"\udcff"'),
        replaced('"DR"', "1e400"),
        replaced('"DR"', "-Infinity"),
        replaced('"DR"', "9007199254740992"),
        replaced('"DR"', "9" * 5000),
        replaced('"DR"', "[" * 199 + "]" * 199),
        replaced('"DR"', '{"a":' * 50_000 + "1" + "}" * 50_000),
    ],
    ids=range(12),
)
def test_what_the_contract_does_not_count_as_json_is_400(url: str, body: bytes) -> None:
    """OPS-ERR-003, OPS-ERR-011."""
    answer = post(url, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "MALFORMED_JSON"), answer.text


@pytest.mark.parametrize(
    "value",
    ["[" * 198 + "]" * 198, '{"a": {"a": ["a", "a", "{\\"a\\":"]}}', '"\\ud83d\\ude00"', "9007199254740991", "1e300", '"\\\\"'],
    ids=range(6),
)
def test_what_is_json_is_taken_however_odd(url: str, value: str) -> None:
    answer = post(url, replaced('"DR"', value))
    assert answer.status_code == 200, answer.text


def test_repeat_in_other_words_is_the_same_call(url: str) -> None:
    """OPS-IDM-001."""
    body = good_request(options={"seed": 7})
    first = post(url, body)
    other = json.dumps(dict(reversed(body.items())), indent=1).replace("7", "70e-1").encode()
    for again in (other, json.dumps(body).replace("0.18", "0.180").encode()):
        assert {**post(url, again).json(), "meta": None} == {**first.json(), "meta": None}
    assert post(url, {**body, "unknown": 1}).json()["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"
