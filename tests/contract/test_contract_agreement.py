"""The models and the published schemas accept the same documents: hypothesis makes documents that are nearly valid."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops_contract import (
    Artifact,
    ArtifactRef,
    ContractError,
    ContractModel,
    ErrorDetail,
    ErrorEnvelope,
    Evidence,
    ExecuteRequest,
    Health,
    Options,
    SuccessEnvelope,
    UpstreamStep,
    parse_envelope,
    validate,
)
from ops_contract.schemas import documents

DOCUMENTS: Final = documents()
THOROUGH: Final = settings(
    deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
SHA256: Final = "0123456789abcdef" * 4


def _file(name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(DOCUMENTS[name])


def _component(name: str) -> jsonschema_rs.Draft202012Validator:
    components = DOCUMENTS["openapi.json"]["components"]
    return jsonschema_rs.Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": components})


HEALTH: Final = (_file("health.schema.json"), _component("Health"))
REQUEST: Final = (_file("execute-request.schema.json"), _component("ExecuteRequest"))
ENVELOPE: Final = _file("envelope.schema.json")
SUCCESS: Final = _component("SuccessEnvelope")
FAILURE: Final = _component("ErrorEnvelope")

# Documents that are valid

identifiers = st.sampled_from(["policy-simulator", "a", "Z9._-", "run_2026-01-09T12-34-56Z_ab12cd", "x" * 128])
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
names = st.sampled_from(["kpis.json", "plots/gdp growth.png", "a/b/c", "...", "é", ".hidden", "x" * 255, "ab:c"])
pointers = st.sampled_from(["", "/", "/kpis/gdp_growth", "/a~1b/~0", "/0", "/ä\n"])
media_types = st.sampled_from(["text/csv", "image/svg+xml", "text/plain; charset=utf-8", "application/vnd.x.y+json"])
versions = st.sampled_from(["1.0", "1.7", "2.0", "0.1", "12345678.1234567"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(texts, values, max_size=2)
counts = st.sampled_from([0, 1, 0.0, 18231.0, 2**40])


def _lists(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(items, max_size=2)


references = st.fixed_dictionaries(
    {"name": names, "media_type": media_types, "size_bytes": counts, "sha256": st.just(SHA256)},
    optional={"unknown": values},
)
deliveries = st.one_of(
    st.fixed_dictionaries({"data": st.sampled_from(["", "YWJj", "YWI=", "YQ==", "YR=="])}),
    st.fixed_dictionaries({"text": st.just("") | texts}),
    st.fixed_dictionaries({"href": st.sampled_from(["artifacts/a.png", "/x/%20/y", "a;b=c/d@e", "/a:b", "..."])}),
)
artifacts = st.builds(lambda described, delivered: {**described, **delivered}, references, deliveries)
evidence = st.fixed_dictionaries(
    {"id": texts, "kind": texts, "title": texts},
    optional={
        "uri": st.none() | texts,
        "supports": _lists(pointers),
        "artifact": st.none() | names,
        "synthetic": st.none() | st.booleans(),
        "observed_at": st.none() | texts,
        "details": values,
    },
)
healths = st.fixed_dictionaries(
    {"status": texts, "module": identifiers, "version": texts},
    optional={"contract_versions": _lists(versions), "profiles": _lists(texts), "actions": _lists(identifiers)},
)
upstream_steps = st.fixed_dictionaries(
    {"module": identifiers, "outputs": objects}, optional={"artifacts": _lists(references), "evidence": _lists(evidence)}
)
options = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.sampled_from([0, 42, 42.0, 2147483647]),
        "deadline_s": st.none() | st.sampled_from([60, 0.5, 1e-9, 1e300]),
    },
)
requests = st.fixed_dictionaries(
    {
        "contract_version": versions,
        "run_id": identifiers,
        "step_id": identifiers,
        "scenario_id": texts,
        "action": identifiers,
        "inputs": objects,
    },
    optional={"upstream": st.dictionaries(identifiers, upstream_steps, max_size=2), "options": options, "unknown": values},
)
successes = st.fixed_dictionaries(
    {"status": st.just("success"), "module": identifiers, "outputs": objects},
    optional={
        "version": st.none() | texts,
        "contract_version": st.none() | texts,
        "artifacts": _lists(artifacts),
        "evidence": _lists(evidence),
        "warnings": _lists(texts),
        "meta": objects,
    },
)
failures = st.fixed_dictionaries(
    {
        "status": st.just("error"),
        "module": identifiers,
        "error": st.fixed_dictionaries(
            {"code": texts, "message": texts, "retryable": st.booleans()},
            optional={"pointer": st.none() | texts, "details": objects},
        ),
    },
    optional={"version": st.none() | texts, "contract_version": st.none() | texts, "meta": objects},
)

# What goes wrong with them

WRONG_TYPES: Final[list[Any]] = [None, True, False, 0, 1, -1, 1.0, 1.5, -0.0, "1", "true", "", " ", [], {}, [None], {"": None}]
WRONG_NUMBERS: Final[list[Any]] = [2**31 - 1, 2**31, 2147483648.0, -1.0, 1e-320, 1e300, 2**53]
WRONG_WORDS: Final[list[Any]] = [
    "Success",
    "success",
    "error",
    "ok",
    "1",
    "1.0.0",
    "v1.0",
    "01.0",
    "1.00",
    "1.",
    "x" * 129,
    "x" * 201,
    "a b",
]
WRONG_NAMES: Final[list[Any]] = [
    *("../x", "a/../b", "a/..", ".", "./a", "/a", "a/", "a//b", "C:/x", "c:", "a\\b", "..\\x"),
    *("a\x00b", "a\nb", "a\n", "a\x7f", "a\x85b", "x" * 256, "é" * 255, "é" * 256, "..."),
]
WRONG_HREFS: Final[list[Any]] = [
    *("http://other/x", "http:x", "//other/x", "javascript:x", "a?q", "a#f", "a b", "ä", "/", "a/", "a//b", "/../x"),
    *("%2e%2e/x", "a%2Fb", "a%5cb", "a%252e", "%00", "%1f", "%7F", "%zz", "%4", "x" * 2048, "x" * 2049, "a:b/c", "/a:b"),
]
WRONG_CONTENT: Final[list[Any]] = ["=", "==", "====", "YWJ", "YWJj=", "YWJj==", "YWJj\n", "YW Jj", "YW==YWJj", "_-__", "ä==="]
WRONG_HASHES: Final[list[Any]] = [SHA256.upper(), SHA256[1:], f"{SHA256}0", f"{SHA256}\n"]
WRONG_POINTERS: Final[list[Any]] = ["x", "/a~2", "/~", "#/a", "/a~"]
WRONG_MEDIA_TYPES: Final[list[Any]] = [
    "text",
    "text/",
    "/csv",
    "text/plain;",
    "text/plain; ä",
    "a/b; c\n",
    "text/csv ",
    "a/" + 255 * "b",
]
WRONG: Final = [
    *(WRONG_TYPES + WRONG_NUMBERS + WRONG_WORDS + WRONG_NAMES + WRONG_HREFS),
    *(WRONG_CONTENT + WRONG_HASHES + WRONG_POINTERS + WRONG_MEDIA_TYPES),
]
KEYS: Final = ["unknown", "data", "text", "href", "", "a b", "../x", "x" * 129, "error", "outputs", "status", "[key]"]


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container inside `value` with each of its keys or indices."""
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    else:
        return []
    return [(value, key) for key, _ in inside] + [place for _, child in inside for place in _places(child)]


def _drop(container: Any, key: Any, _: Any, __: str) -> None:
    del container[key]


def _replace(container: Any, key: Any, wrong: Any, _: str) -> None:
    container[key] = wrong


def _wrap(container: Any, key: Any, _: Any, __: str) -> None:
    container[key] = [container[key]]


def _repeat(container: Any, key: Any, _: Any, __: str) -> None:
    container[key] = [container[key]] * 2


def _add(container: Any, _: Any, wrong: Any, name: str) -> None:
    if isinstance(container, dict):
        container[name] = wrong


def _rename(container: Any, key: Any, _: Any, name: str) -> None:
    if isinstance(container, dict):
        container[name] = container.pop(key)


CHANGES: Final[list[Callable[[Any, Any, Any, str], None]]] = [
    _drop,
    _replace,
    _replace,
    _replace,
    _wrap,
    _repeat,
    _add,
    _rename,
]


@st.composite
def nearly(draw: st.DrawFn, valid: st.SearchStrategy[Any]) -> Any:
    """A document that was valid before zero to three changes, or anything at all."""
    value = copy.deepcopy(draw(valid))
    for _ in range(draw(st.integers(0, 3))):
        if places := _places(value):
            container, key = draw(st.sampled_from(places))
            change = draw(st.sampled_from(CHANGES))
            # A copy: two changes must not share one list.
            change(container, key, copy.deepcopy(draw(st.sampled_from(WRONG))), draw(st.sampled_from(KEYS)))
    return value


def _accepts(check: Callable[[Any], Any], value: Any) -> bool:
    try:
        check(value)
    except ContractError:
        return False
    return True


def _request_accepts(value: Any) -> bool:
    return _accepts(lambda document: validate(ExecuteRequest, document, "request"), value)


def _health_accepts(value: Any) -> bool:
    return _accepts(lambda document: validate(Health, document, "health"), value)


def _envelope_accepts(value: Any) -> bool:
    return _accepts(parse_envelope, value)


def _assert_agreed(accepted: bool, schema: jsonschema_rs.Draft202012Validator, value: Any) -> None:
    assert schema.is_valid(value) == accepted, f"the model {'accepts' if accepted else 'refuses'} {value!r}"


@given(nearly(healths))
@THOROUGH
def test_health_nearly_valid_is_judged_alike(value: Any) -> None:
    accepted = _health_accepts(value)
    for schema in HEALTH:
        _assert_agreed(accepted, schema, value)


@given(nearly(requests))
@THOROUGH
def test_request_nearly_valid_is_judged_alike(value: Any) -> None:
    accepted = _request_accepts(value)
    for schema in REQUEST:
        _assert_agreed(accepted, schema, value)


@given(nearly(successes | failures))
@THOROUGH
def test_envelope_nearly_valid_is_judged_alike(value: Any) -> None:
    accepted = _envelope_accepts(value)
    _assert_agreed(accepted, ENVELOPE, value)
    assert (SUCCESS.is_valid(value) or FAILURE.is_valid(value)) == accepted


@given(nearly(artifacts))
@THOROUGH
def test_artifact_nearly_valid_is_judged_alike(value: Any) -> None:
    envelope = {"status": "success", "module": "m", "outputs": {}, "artifacts": [value]}
    _assert_agreed(_envelope_accepts(envelope), ENVELOPE, envelope)


@given(nearly(evidence))
@THOROUGH
def test_evidence_nearly_valid_is_judged_alike(value: Any) -> None:
    envelope = {"status": "success", "module": "m", "outputs": {}, "evidence": [value]}
    _assert_agreed(_envelope_accepts(envelope), ENVELOPE, envelope)


@given(nearly(upstream_steps), st.sampled_from([*KEYS, "policy-simulator"]))
@THOROUGH
def test_upstream_nearly_valid_is_judged_alike(value: Any, step: str) -> None:
    body = {
        **dict.fromkeys(("run_id", "step_id", "scenario_id", "action"), "x"),
        "contract_version": "1.0",
        "inputs": {},
        "upstream": {step: value},
    }
    accepted = _request_accepts(body)
    for schema in REQUEST:
        _assert_agreed(accepted, schema, body)


def _changed(value: Any) -> Iterator[Any]:
    """`value` with every single change: each place dropped, wrapped, and replaced by everything that is wrong somewhere."""
    for at, _ in enumerate(_places(value)):
        changes = [(_drop, None), (_wrap, None), (_repeat, None), *((_replace, wrong) for wrong in WRONG)]
        for change, wrong in changes:
            changed = copy.deepcopy(value)
            container, key = _places(changed)[at]
            change(container, key, copy.deepcopy(wrong), "")
            yield changed


@pytest.mark.parametrize(
    ("document", "schemas", "accepts"),
    [
        ("health", HEALTH, _health_accepts),
        ("execute_request", REQUEST, _request_accepts),
        ("success", (ENVELOPE,), _envelope_accepts),
        ("failure", (ENVELOPE,), _envelope_accepts),
    ],
)
def test_document_with_any_one_change_is_judged_alike(
    request: pytest.FixtureRequest,
    document: str,
    schemas: tuple[jsonschema_rs.Draft202012Validator, ...],
    accepts: Callable[[Any], bool],
) -> None:
    value = request.getfixturevalue(document)
    assert accepts(value)
    for changed in _changed(value):
        accepted = accepts(changed)
        for schema in schemas:
            _assert_agreed(accepted, schema, changed)


@pytest.mark.parametrize("value", [*WRONG_TYPES, 2**53, "x" * 300], ids=repr)
def test_documents_that_are_no_object_are_refused_alike(value: Any) -> None:
    assert not _health_accepts(value)
    assert not _request_accepts(value)
    assert not _envelope_accepts(value)
    assert not any(schema.is_valid(value) for schema in (*HEALTH, *REQUEST, ENVELOPE))


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        *(("name", name) for name in WRONG_NAMES),
        *(("href", href) for href in WRONG_HREFS),
        *(("data", data) for data in WRONG_CONTENT),
        *(("sha256", sha256) for sha256 in WRONG_HASHES),
        *(("media_type", media_type) for media_type in WRONG_MEDIA_TYPES),
        *(("size_bytes", size) for size in (*WRONG_TYPES, *WRONG_NUMBERS)),
    ],
)
def test_artifact_with_a_hostile_field_is_judged_alike(artifact: dict[str, Any], field: str, wrong: Any) -> None:
    if field in {"data", "href"}:
        del artifact["text"]
    envelope = {"status": "success", "module": "m", "outputs": {}, "artifacts": [{**artifact, field: wrong}]}
    _assert_agreed(_envelope_accepts(envelope), ENVELOPE, envelope)


# The other direction: what the models make, the schemas accept

model_artifacts = st.builds(
    Artifact.of, names, media_types, st.binary(max_size=8), href=st.none() | st.sampled_from(["artifacts/a.png", "/x/%20"])
)
model_evidence = st.builds(
    Evidence,
    id=texts,
    kind=texts,
    title=texts,
    supports=st.lists(pointers, max_size=2).map(tuple),
    artifact=st.none() | names,
    synthetic=st.none() | st.booleans(),
)
model_steps = st.builds(
    UpstreamStep,
    module=identifiers,
    outputs=objects,
    artifacts=st.lists(model_artifacts.map(lambda artifact: artifact.ref), max_size=2).map(tuple),
    evidence=st.lists(model_evidence, max_size=2).map(tuple),
)
model_requests = st.builds(
    ExecuteRequest,
    contract_version=versions,
    run_id=identifiers,
    step_id=identifiers,
    scenario_id=texts,
    action=identifiers,
    inputs=objects,
    upstream=st.dictionaries(identifiers, model_steps, max_size=2),
    options=st.builds(Options, seed=st.integers(0, 2**31 - 1), deadline_s=st.none() | st.just(0.5)),
)
model_successes = st.builds(
    SuccessEnvelope,
    status=st.just("success"),
    module=identifiers,
    outputs=objects,
    artifacts=st.lists(model_artifacts, max_size=2).map(tuple),
    evidence=st.lists(model_evidence, max_size=2).map(tuple),
    warnings=st.lists(texts, max_size=2).map(tuple),
)
model_failures = st.builds(
    ErrorEnvelope,
    status=st.just("error"),
    module=identifiers,
    error=st.builds(ErrorDetail, code=texts, message=texts, retryable=st.booleans(), pointer=st.none() | texts),
)
model_healths = st.builds(
    Health, status=texts, module=identifiers, version=texts, contract_versions=st.lists(versions, max_size=2).map(tuple)
)


def _sent(model: ContractModel) -> Any:
    """The instance as it is after a journey over the wire."""
    return json.loads(json.dumps(model.model_dump(mode="json", exclude_unset=True)))


@given(model_healths)
@THOROUGH
def test_health_that_a_model_makes_is_accepted(made: Health) -> None:
    assert all(schema.is_valid(_sent(made)) for schema in HEALTH)
    assert validate(Health, _sent(made), "health") == made


@given(model_requests)
@THOROUGH
def test_request_that_a_model_makes_is_accepted(made: ExecuteRequest) -> None:
    assert all(schema.is_valid(_sent(made)) for schema in REQUEST)
    assert validate(ExecuteRequest, _sent(made), "request") == made


@given(model_successes | model_failures)
@THOROUGH
def test_envelope_that_a_model_makes_is_accepted(made: SuccessEnvelope | ErrorEnvelope) -> None:
    assert ENVELOPE.is_valid(_sent(made))
    assert parse_envelope(_sent(made)) == made


def test_artifact_ref_has_the_fields_of_an_artifact_less_its_bytes_and_words() -> None:
    assert set(Artifact.model_fields) - set(ArtifactRef.model_fields) == {"data", "text", "href", "title", "description"}
