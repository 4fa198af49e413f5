import json
from typing import Any

import pytest
from scripted_module import artifact, envelope, error_envelope

from ops_orchestrator.errors import Failure, StepError
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.answer import InlineFile, RemoteFile
from ops_orchestrator.modules.contract_answer import read_answer, read_health
from ops_orchestrator.modules.module import Module


def exchange(body: Any, status: int = 200, content_type: str = "application/json", path: str = "/execute") -> Exchange:
    return Exchange(
        method="POST",
        url=f"http://alpha.test{path}",
        request_headers={},
        request=b"{}",
        status=status,
        headers={"content-type": content_type},
        response=body if isinstance(body, bytes) else json.dumps(body).encode(),
    )


def failure_of(answer: Exchange, module: Module) -> Failure:
    with pytest.raises(StepError) as caught:
        read_answer(answer, module)
    return caught.value.failure


def test_good_answer_becomes_its_envelope(module: Module) -> None:
    answer = read_answer(exchange(envelope(outputs={"a": 1})), module)
    assert (answer.envelope.module, answer.envelope.outputs) == ("alpha", {"a": 1})


def test_artifacts_come_inline_or_are_to_be_fetched(module: Module) -> None:
    artifacts = [artifact("a.txt"), artifact("b.txt", href="files/b.txt")]
    inline, remote = read_answer(exchange(envelope(artifacts=artifacts)), module).sources
    assert isinstance(inline, InlineFile)
    assert (inline.content, inline.ref.name) == (b"figures", "a.txt")
    assert isinstance(remote, RemoteFile)
    assert (remote.href, remote.ref.name, remote.ref.sha256) == ("files/b.txt", "b.txt", inline.ref.sha256)


@pytest.mark.parametrize(("false", "requirement"), [({"sha256": "0" * 64}, "OPS-ART-003"), ({"size_bytes": 6}, "OPS-ART-004")])
def test_inline_artifact_that_is_not_what_it_says_names_the_requirement(
    module: Module, false: dict[str, Any], requirement: str
) -> None:
    failure = failure_of(exchange(envelope(artifacts=[artifact("f.txt", **false)])), module)
    assert (failure.code, failure.requirement) == ("INVALID_ANSWER", requirement)
    assert "'f.txt'" in failure.message


def test_charset_of_the_content_type_does_not_matter(module: Module) -> None:
    assert read_answer(exchange(envelope(), content_type="Application/JSON; charset=utf-8"), module)


def test_unknown_fields_of_a_newer_minor_version_are_ignored(module: Module) -> None:
    assert read_answer(exchange(envelope(contract_version="1.7", shiny=True)), module)


@pytest.mark.parametrize(
    ("answer", "requirement", "said"),
    [
        (exchange(envelope("beta")), "OPS-EXE-002", "'beta'"),
        (exchange({**envelope(), "outputs": None}), "OPS-EXE-003", "/outputs"),
        (exchange({"status": "success", "module": "alpha"}), "OPS-EXE-003", "/outputs: is required"),
        (exchange({"status": "done"}), "OPS-EXE-001", "/status"),
        (exchange([]), "OPS-EXE-001", "must be an object"),
        (exchange(b'{"a": 1, "a": 2}'), "OPS-EXE-004", "stands twice"),
        (exchange(b'{"a": NaN}'), "OPS-EXE-004", "NaN"),
        (exchange(b""), "OPS-EXE-004", "Expecting value"),
        (
            exchange(b"<html>Hello", content_type="text/html"),
            "OPS-EXE-006",
            "200 with text/html, not an envelope: '<html>Hello'",
        ),
        (exchange(envelope(), content_type=""), "OPS-EXE-006", "no content type"),
        (exchange(envelope(), status=500), "OPS-ERR-008", "'success' with the HTTP status 500"),
        (exchange(error_envelope()), "OPS-ERR-008", "'error' with the HTTP status 200"),
        (exchange({**error_envelope(), "contract_version": "9.9"}, status=422), "OPS-VER-001", "contract 9.9"),
        (exchange(envelope(contract_version="2.0")), "OPS-VER-001", "contract 2.0"),
        (exchange(envelope(artifacts=[artifact("../../etc/passwd")])), "OPS-ART-005", "'..'"),
        (exchange(envelope(artifacts=[artifact("a.txt"), artifact("A.TXT")])), "OPS-ART-005", "'A.TXT'"),
        (exchange(envelope(evidence=[{"id": "e", "kind": "k", "title": "t", "supports": ["/x"]}])), "OPS-EVD-002", "'/x'"),
        (exchange(b"", status=302), None, "redirect (302)"),
    ],
)
def test_answer_against_the_contract_is_a_failure_naming_the_requirement(
    module: Module, answer: Exchange, requirement: str | None, said: str
) -> None:
    failure = failure_of(answer, module)
    assert (failure.code, failure.module, failure.requirement) == ("INVALID_ANSWER", "alpha", requirement)
    assert said in failure.message
    assert "http://alpha.test/execute" in failure.message
    assert not failure.retryable


def test_pointer_that_the_module_s_message_names_is_not_said_twice(module: Module) -> None:
    body = error_envelope(pointer="/inputs/rate", message="/inputs/rate must be a share")
    assert failure_of(exchange(body, status=422), module).message == "alpha answers INVALID_INPUT: /inputs/rate must be a share"


def test_module_s_own_error_is_passed_on_with_code_pointer_and_details(module: Module) -> None:
    body = error_envelope(pointer="/inputs/vat_rate", details={"highest": 0.5})
    failure = failure_of(exchange(body, status=422), module)
    assert failure.code == "MODULE_ERROR"
    assert failure.message == "alpha answers INVALID_INPUT (at /inputs/vat_rate): vat_rate is 7, but a rate is at most 0.5"
    assert failure.module_error is not None
    assert failure.module_error["details"] == {"highest": 0.5}


@pytest.mark.parametrize("retryable", [True, False])
def test_module_s_own_error_is_retried_as_it_says(module: Module, *, retryable: bool) -> None:
    assert failure_of(exchange(error_envelope(retryable=retryable), status=503), module).retryable is retryable


@pytest.mark.parametrize(
    ("status", "retryable"), [(502, True), (503, True), (504, True), (429, True), (500, False), (404, False)]
)
def test_error_without_an_envelope_is_retryable_by_its_status(module: Module, status: int, *, retryable: bool) -> None:
    failure = failure_of(exchange(b"Bad Gateway", status=status, content_type="text/plain"), module)
    assert failure.retryable is retryable


def test_long_foreign_answer_is_shown_only_in_part(module: Module) -> None:
    failure = failure_of(exchange(b"x" * 10_000, content_type="text/plain"), module)
    assert len(failure.message) < 400


def health(status: int = 200, **fields: Any) -> Exchange:
    body = {"status": "ok", "module": "alpha", "version": "1.2.3", **fields}
    return exchange(body, status=status, path="/health")


def test_health_of_a_module_with_the_required_fields_is_read(module: Module) -> None:
    assert read_health(health(), module).version == "1.2.3"


@pytest.mark.parametrize(
    ("answer", "code", "said", "retryable"),
    [
        (health(status=503), "MODULE_NOT_READY", "answers 503", True),
        (health(status=404), "MODULE_NOT_READY", "answers 404", False),
        (exchange(b"<html>", path="/health"), "INVALID_ANSWER", "does not answer", False),
        (exchange({"status": "ok"}, path="/health"), "INVALID_ANSWER", "/module: is required", False),
        (
            health(module="beta"),
            "INVALID_ANSWER",
            "'beta' answers there; correct its url in modules.yaml, or name the entry 'beta'",
            False,
        ),
        (health(contract_versions=["2.0", "3.1"]), "UNSUPPORTED_CONTRACT", "serves contract 2.0, 3.1", False),
    ],
)
def test_health_that_cannot_be_used_says_why(
    module: Module, answer: Exchange, code: str, said: str, *, retryable: bool
) -> None:
    with pytest.raises(StepError) as caught:
        read_health(answer, module)
    failure = caught.value.failure
    assert (failure.code, failure.retryable) == (code, retryable)
    assert said in failure.message


def test_health_that_serves_one_supported_version_among_others_is_enough(module: Module) -> None:
    assert read_health(health(contract_versions=["2.0", "1.3"]), module)
