import base64
from pathlib import Path
from typing import Any

import pytest
from legacy_exchange import legacy_exchange

from ops_contract import validate
from ops_orchestrator.errors import Failure, StepError
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.adapters.declaration import Action
from ops_orchestrator.modules.adapters.envelope import map_answer
from ops_orchestrator.modules.adapters.evaluation import Evaluation
from ops_orchestrator.modules.answer import Answer, InlineFile, SharedFile

ROOT = Path("/srv/shared")
CONTEXT = {"inputs": {"country": "DO"}, "run_id": "run-1", "upstream": {"model": {"raw": {"note": "upstream"}}}}
FILES = [{"name": "a.csv", "text": "A", "path": "out/a.csv"}, {"name": "b.csv", "text": "B", "path": "out/b.csv"}]


def answer_of(answer: Exchange, /, **declared: Any) -> Answer:
    action = validate(Action, {"path": "/score", **declared}, "action")
    return map_answer(action, ROOT, Evaluation("legacy", "score", CONTEXT), answer)


def outputs_of(body: Any, **declared: Any) -> dict[str, Any]:
    return answer_of(legacy_exchange(body), **declared).envelope.outputs


def sources_of(body: Any, *artifacts: dict[str, Any]) -> list[InlineFile | SharedFile]:
    answer = answer_of(legacy_exchange(body), outputs="{}", artifacts=list(artifacts))
    return [source for source in answer.sources if isinstance(source, InlineFile | SharedFile)]


def failure_of(answer: Exchange, /, **declared: Any) -> Failure:
    with pytest.raises(StepError) as caught:
        answer_of(answer, **declared)
    assert caught.value.failure.module == "legacy"
    return caught.value.failure


def test_body_without_a_mapping_is_the_outputs() -> None:
    envelope = answer_of(legacy_exchange({"score": 7, "flags": [None]})).envelope
    assert envelope.outputs == {"score": 7, "flags": [None]}
    assert (envelope.status, envelope.module, envelope.version) == ("success", "legacy", None)
    assert (envelope.artifacts, envelope.evidence, envelope.warnings) == ((), (), ())


@pytest.mark.parametrize(
    ("body", "outputs", "found"),
    [
        (
            {"score": "0.7", "band": "high"},
            '{ "overall": $number(response.body.score), "label": response.body.band }',
            {"overall": 0.7, "label": "high"},
        ),
        ({"data": {"gdp": 1}}, "response.body.data", {"gdp": 1}),
        ({"gdp": 1, "run": 7}, "response.body ~> |$|{}, 'run'|", {"gdp": 1}),
        ({"k": [{"n": "gdp", "v": 1}, {"n": "cpi", "v": 2}]}, "response.body.k{ n: v }", {"gdp": 1, "cpi": 2}),
        ([{"y": 1}, {"y": 2}], '{ "items": response.body }', {"items": [{"y": 1}, {"y": 2}]}),
        ([], '{ "items": response.body }', {"items": []}),
        ([["DO", 1]], '{ "rows": [response.body.{ "iso": $[0] }] }', {"rows": [{"iso": "DO"}]}),
        ("text", '{ "text": response.body }', {"text": "text"}),
        (7, '{ "count": response.body }', {"count": 7}),
        (
            {},
            '{ "status": response.status, "type": response.headers.`content-type` }',
            {"status": 200, "type": "application/json"},
        ),
        (
            {},
            '{ "iso": inputs.country, "run": run_id, "note": upstream.model.raw.note }',
            {"iso": "DO", "run": "run-1", "note": "upstream"},
        ),
        ({}, "{}", {}),
    ],
    ids=str,
)
def test_outputs_are_what_the_mapping_makes_of_the_answer(body: Any, outputs: str, found: dict[str, Any]) -> None:
    assert outputs_of(body, outputs=outputs) == found


@pytest.mark.parametrize(
    ("body", "declared", "said"),
    [
        ([{"y": 1}], {}, 'not an array; declare outputs like {"items": response.body}'),
        (
            {"rows": [1, 2]},
            {"outputs": "response.body.rows"},
            'not an array; declare outputs like {"items": response.body.rows}',
        ),
        ("text", {}, 'not "text"; declare outputs like'),
        (7, {}, "not 7; declare outputs like"),
        ({"a": 1}, {"outputs": "response.body.a"}, 'not 1; declare outputs like {"items": response.body.a}'),
        ({}, {"outputs": "response.body.absent"}, "yields nothing"),
        ({"a": "x"}, {"outputs": "response.body.a + 1"}, "must evaluate to a number, at character"),
    ],
    ids=str,
)
def test_outputs_that_are_no_object_are_a_failure_with_advice(body: Any, declared: dict[str, Any], said: str) -> None:
    failure = failure_of(legacy_exchange(body), **declared)
    assert failure.code == "MAPPING_FAILED"
    assert "outputs of its action 'score'" in failure.message
    assert said in failure.message


def test_outputs_that_are_a_boolean_are_shown_as_in_json() -> None:
    assert "not true;" in failure_of(legacy_exchange(body=True)).message


@pytest.mark.parametrize(
    ("declared", "version"),
    [
        ({}, None),
        ({"version": "response.body.v"}, "7"),
        ({"version": "'rev ' & response.body.v"}, "rev 7"),
        ({"version": "null"}, None),
    ],
    ids=str,
)
def test_version_is_text_when_the_answer_tells_it(declared: dict[str, Any], version: str | None) -> None:
    assert answer_of(legacy_exchange({"v": 7}), **declared).envelope.version == version


@pytest.mark.parametrize(
    ("body", "warnings"),
    [({"w": ["a", 1, True]}, ("a", "1", "true")), ({"w": "a"}, ("a",)), ({"w": []}, ()), ({"w": None}, ()), ({}, ())],
    ids=str,
)
def test_warnings_are_a_list_of_texts_or_one(body: Any, warnings: tuple[str, ...]) -> None:
    assert answer_of(legacy_exchange(body), warnings="response.body.w").envelope.warnings == warnings


@pytest.mark.parametrize(("field", "value"), [("warnings", [{"a": 1}]), ("warnings", [["a"]]), ("version", {"major": 1})])
def test_part_that_is_no_text_is_a_failure_naming_the_part(field: str, value: Any) -> None:
    failure = failure_of(legacy_exchange({"it": value}), **{field: "response.body.it"})
    assert failure.code == "MAPPING_FAILED"
    assert f"{field} of its action 'score'" in failure.message


def test_evidence_is_brought_into_the_contract_s_form() -> None:
    body = {"sources": ["World Bank", {"name": "IMF", "url": "https://imf.test"}]}
    first, second = answer_of(legacy_exchange(body), evidence="response.body.sources").envelope.evidence
    assert (first.id, first.kind, first.title) == ("evidence-1", "source", "World Bank")
    assert (second.id, second.title, second.uri) == ("evidence-2", "IMF", "https://imf.test")


@pytest.mark.parametrize(
    ("evidence", "requirement", "said"),
    [
        ([{"title": "t", "supports": ["/gdp/9"]}], "OPS-EVD-002", "'/gdp/9' leads nowhere in outputs"),
        ([{"title": "t", "artifact": "b.csv"}], "OPS-EVD-002", "no artifact is named 'b.csv'"),
    ],
    ids=str,
)
def test_evidence_that_points_nowhere_is_a_failure(evidence: Any, requirement: str, said: str) -> None:
    failure = failure_of(legacy_exchange({"gdp": [1], "sources": evidence}), evidence="response.body.sources")
    assert (failure.code, failure.requirement) == ("MAPPING_FAILED", requirement)
    assert said in failure.message


def test_evidence_may_point_to_outputs_and_artifacts() -> None:
    body = {"gdp": [1], "sources": [{"title": "t", "supports": ["/gdp/0"], "artifact": "a.csv"}]}
    answer = answer_of(legacy_exchange(body), evidence="response.body.sources", artifacts=[{"name": "'a.csv'", "text": "'A'"}])
    assert answer.envelope.evidence[0].artifact == "a.csv"


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({"error": "no such country"}, {"when": "response.body.error"}),
        ({"ok": False, "error": "no such country"}, {"when": "$not(response.body.ok)"}),
        ({"status": "error", "message": "no such country"}, {"when": "response.body.status = 'error'"}),
        (
            {"status": "failed", "x": {"y": "no such country"}},
            {"when": "response.body.status != 'ok'", "message": "response.body.x.y"},
        ),
        ({"found": 0}, {"when": "response.body.found = 0", "message": "'no such ' & 'country'"}),
        ({"detail": [{"msg": "no such country"}]}, {"when": "$exists(response.body.detail)"}),
        ({"error": " no such\n country "}, {"when": "response.body.error", "message": "response.body.error"}),
    ],
    ids=str,
)
def test_failure_inside_a_200_is_the_module_s_error(body: Any, failure: dict[str, str]) -> None:
    found = failure_of(legacy_exchange(body), failure=failure)
    assert (found.code, found.retryable) == ("MODULE_ERROR", False)
    assert found.message == "legacy answers with an error: no such country"
    assert found.module_error == {"status": 200, "message": "no such country"}


@pytest.mark.parametrize(
    "body", [{"ok": True}, {"ok": True, "error": None}, {"ok": True, "error": ""}, {"ok": True, "error": []}], ids=str
)
def test_mark_of_a_failure_that_is_not_there_is_a_success(body: Any) -> None:
    assert outputs_of(body, failure={"when": "response.body.error"}) == body
    assert outputs_of(body, failure={"when": "$not(response.body.ok)"}) == body


def test_failure_inside_a_200_may_have_a_code() -> None:
    failure = {"when": "response.body.error", "code": "response.body.code", "message": "response.body.error"}
    found = failure_of(legacy_exchange({"error": "no such country", "code": 17}), failure=failure)
    assert found.message == "legacy answers 17: no such country"
    assert found.module_error == {"status": 200, "code": "17", "message": "no such country"}


@pytest.mark.parametrize(
    ("status", "body", "content_type", "message"),
    [
        (404, {"detail": "Not Found"}, "application/json", "legacy answers 404: Not Found"),
        (405, {"detail": "Method Not Allowed"}, "application/json", "legacy answers 405: Method Not Allowed"),
        (404, b"<title>404 Not Found</title>", "text/html", "legacy answers 404: 404 Not Found"),
        (405, b"", "", "legacy answers 405: no more than Method Not Allowed"),
        (
            422,
            {"detail": [{"loc": ["body", "iso"], "msg": "Field required"}]},
            "application/json",
            "legacy answers 422: body/iso: Field required",
        ),
        (400, "no such country", "application/json", "legacy answers 400: no such country"),
        (400, ["no country", "no sector"], "application/json", "legacy answers 400: no country; no sector"),
        (500, b"Internal Server Error", "text/plain", "legacy answers 500: Internal Server Error"),
        (500, b"\x00\x01", "application/octet-stream", "legacy answers 500: no more than Internal Server Error"),
    ],
)
def test_status_that_is_no_success_is_the_module_s_error(status: int, body: Any, content_type: str, message: str) -> None:
    found = failure_of(legacy_exchange(body, status, content_type))
    assert (found.code, found.message) == ("MODULE_ERROR", message)
    assert found.module_error is not None
    assert (found.module_error["status"], found.module_error["code"]) == (status, str(status))


@pytest.mark.parametrize("kind", ["text", "binary"])
def test_error_of_an_action_that_answers_otherwise_is_read_as_json_all_the_same(kind: str) -> None:
    failure = {"code": "response.body.error.code", "message": "response.body.error.text"}
    found = failure_of(legacy_exchange({"error": {"code": "E7", "text": "no such country"}}, 400), answer=kind, failure=failure)
    assert found.message == "legacy answers E7: no such country"


@pytest.mark.parametrize("message", ["$uppercase(response.status)", "response.body.error", "response.body.error + 1"])
def test_message_that_cannot_be_mapped_does_not_hide_the_failure(message: str) -> None:
    found = failure_of(legacy_exchange({"error": {"detail": "no such country"}}, 500), failure={"message": message})
    assert found.code == "MODULE_ERROR"
    assert "no such country" in found.message
    assert "failure.message of its action 'score'" in found.message


def test_code_that_cannot_be_mapped_does_not_hide_the_failure() -> None:
    found = failure_of(legacy_exchange({"detail": "no such country"}, 500), failure={"code": "$uppercase(1)"})
    assert (found.code, found.message) == ("MODULE_ERROR", "legacy answers 500: no such country")


def test_retryable_that_cannot_be_mapped_does_not_hide_the_failure() -> None:
    found = failure_of(legacy_exchange({"detail": "no such country"}, 500), failure={"retryable": "$uppercase(1)"})
    assert found.code == "MODULE_ERROR"
    assert "no such country" in found.message


def test_test_for_failure_that_cannot_be_evaluated_is_a_mapping_that_failed() -> None:
    found = failure_of(legacy_exchange({"ok": "yes"}), failure={"when": "response.body.ok > 1"})
    assert found.code == "MAPPING_FAILED"
    assert "failure.when of its action 'score'" in found.message


@pytest.mark.parametrize(
    ("status", "declared", "retryable"),
    [
        (429, {}, True),
        (502, {}, True),
        (503, {}, True),
        (504, {}, True),
        (500, {}, False),
        (404, {}, False),
        (500, {"retryable": "response.status = 500"}, True),
        (500, {"retryable": "response.body.busy"}, True),
        (503, {"retryable": False}, False),
        (503, {"retryable": "response.body.absent"}, True),
    ],
)
def test_failure_is_retryable_by_its_status_unless_the_mapping_says(
    status: int, declared: dict[str, Any], *, retryable: bool
) -> None:
    assert failure_of(legacy_exchange({"busy": True}, status), failure=declared).retryable is retryable


def test_failure_inside_a_200_is_retryable_when_the_mapping_says() -> None:
    failure = {"when": "response.body.error", "retryable": "response.body.error = 'busy'"}
    assert failure_of(legacy_exchange({"error": "busy"}), failure=failure).retryable
    assert not failure_of(legacy_exchange({"error": "broken"}), failure=failure).retryable


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_an_answer_that_cannot_be_used(status: int) -> None:
    found = failure_of(legacy_exchange({"score": 1}, status, location="http://elsewhere.test/"))
    assert found.code == "INVALID_ANSWER"
    assert f"is a redirect ({status})" in found.message
    assert "http://legacy.test/score" in found.message


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (b"<html><title>Log in</title>", "text/html", "is 200 with text/html, not JSON: Log in"),
        (b"all is well", "text/plain", "is 200 with text/plain, not JSON: all is well"),
        (b"all is well", "", "is 200 with no content type, not JSON: all is well"),
        (b"%PDF-1.7", "application/pdf", "is 200 with application/pdf, not JSON"),
        (b"", "application/json", "has no body"),
    ],
)
def test_200_that_is_no_json_is_a_failure_with_advice(body: bytes, content_type: str, said: str) -> None:
    found = failure_of(legacy_exchange(body, content_type=content_type), outputs="{}")
    assert found.code == "INVALID_ANSWER"
    assert said in found.message
    assert "declare answer: text or binary" in found.message


@pytest.mark.parametrize(
    ("body", "said"), [(b'{"a": 1', "column"), (b'{"a": NaN}', "NaN"), (b'{"a": 1, "a": 2}', "stands twice")]
)
def test_200_that_is_nearly_json_says_what_is_wrong(body: bytes, said: str) -> None:
    found = failure_of(legacy_exchange(body))
    assert found.code == "INVALID_ANSWER"
    assert said in found.message


@pytest.mark.parametrize(
    "content_type", ["text/html", "text/plain; charset=latin-1", "application/octet-stream", "image/png", ""]
)
def test_json_is_taken_whatever_the_content_type_says(content_type: str) -> None:
    assert answer_of(legacy_exchange({"score": 7}, content_type=content_type)).envelope.outputs == {"score": 7}


def test_json_null_is_json() -> None:
    assert answer_of(legacy_exchange(None), outputs='{ "found": response.body != null }').envelope.outputs == {"found": False}


@pytest.mark.parametrize("status", [200, 201, 202, 206])
def test_every_2xx_is_a_success(status: int) -> None:
    assert answer_of(legacy_exchange({"score": 7}, status)).envelope.outputs == {"score": 7}


def test_answer_declared_as_text_is_text_even_where_it_is_json() -> None:
    answer = answer_of(legacy_exchange({"a": 1}), answer="text", outputs='{ "text": response.body }')
    assert answer.envelope.outputs == {"text": '{"a": 1}'}


def test_answer_declared_as_text_is_read_in_its_charset() -> None:
    page = legacy_exchange("país".encode("latin-1"), content_type="text/csv; charset=latin-1")
    assert answer_of(page, answer="text", outputs='{ "text": response.body }').envelope.outputs == {"text": "país"}


@pytest.mark.parametrize("kind", ["text", "binary"])
@pytest.mark.parametrize("status", [200, 204])
def test_answer_that_is_no_json_has_no_outputs_of_its_own(kind: str, status: int) -> None:
    assert answer_of(legacy_exchange(b"", status, ""), answer=kind).envelope.outputs == {}


def test_text_in_the_body_is_an_artifact_in_utf_8() -> None:
    mapping = {"name": "'brief.md'", "text": "'# ' & response.body.title"}
    assert sources_of({"title": "País"}, mapping) == [InlineFile("brief.md", "text/markdown", "# País".encode())]


def test_name_and_media_type_may_come_from_the_answer() -> None:
    mapping = {"name": "response.body.n", "media_type": "response.body.t", "text": "response.body.c"}
    assert sources_of({"n": "x/a.dat", "t": "text/csv; charset=utf-8", "c": 7}, mapping) == [
        InlineFile("x/a.dat", "text/csv; charset=utf-8", b"7")
    ]


def test_base64_in_the_body_is_an_artifact() -> None:
    encoded = base64.encodebytes(bytes(range(256))).decode()  # in lines, as MIME has it
    assert sources_of({"chart": encoded}, {"name": "'chart.png'", "base64": "response.body.chart"}) == [
        InlineFile("chart.png", "image/png", bytes(range(256)))
    ]


@pytest.mark.parametrize("encoded", ["aG$k=", "aGk", "aGk_-", "é", 7, "=aGk"])
def test_what_is_no_base64_is_a_failure_naming_the_artifact(encoded: Any) -> None:
    artifacts = [{"name": "'a'", "text": "'x'"}, {"name": "'chart.png'", "base64": "response.body.chart"}]
    found = failure_of(legacy_exchange({"chart": encoded}), artifacts=artifacts)
    assert found.code == "MAPPING_FAILED"
    assert "artifacts[1].base64 of its action 'score'" in found.message
    assert "does not yield base64" in found.message


@pytest.mark.parametrize("source", ["text", "base64", "path"])
def test_artifact_that_is_not_there_is_a_failure_naming_the_expression(source: str) -> None:
    found = failure_of(legacy_exchange({}), artifacts=[{"name": "'a.txt'", source: "response.body.file"}])
    assert found.code == "MAPPING_FAILED"
    assert f"artifacts[0].{source} of its action 'score'" in found.message
    assert "response.body.file" in found.message


def test_text_that_is_an_object_is_a_failure_with_advice() -> None:
    found = failure_of(legacy_exchange({"a": {}}), artifacts=[{"name": "'a.json'", "text": "response.body.a"}])
    assert "must yield text; write $string(response.body.a, true)" in found.message


def test_text_that_is_not_unicode_is_a_failure() -> None:
    assert failure_of(legacy_exchange({}), artifacts=[{"name": "'a.txt'", "text": r"'\ud800'"}]).code == "MAPPING_FAILED"


@pytest.mark.parametrize("source", ["text", "base64"])
def test_name_that_yields_nothing_is_a_failure(source: str) -> None:
    found = failure_of(legacy_exchange({}), artifacts=[{"name": "response.body.name", source: "'aGk='"}])
    assert "artifacts[0].name of its action 'score'" in found.message


def test_each_entry_of_a_list_is_an_artifact() -> None:
    mapping = {"each": "response.body.files", "name": "inputs.country & '/' & item.name", "text": "item.text"}
    assert sources_of({"files": FILES}, mapping) == [
        InlineFile("DO/a.csv", "text/csv", b"A"),
        InlineFile("DO/b.csv", "text/csv", b"B"),
    ]


@pytest.mark.parametrize(
    ("files", "count"),
    [(FILES, 2), (FILES[:1], 1), (FILES[0], 1), ([], 0), (None, 0)],
    ids=["two", "one", "no list", "empty", "null"],
)
def test_each_takes_a_list_one_entry_or_nothing(files: Any, count: int) -> None:
    mapping = {"each": "response.body.files", "name": "item.name", "text": "item.text"}
    assert len(sources_of({"files": files}, mapping)) == count


def test_artifacts_stand_in_the_order_of_the_declaration() -> None:
    each = {"each": "response.body.files", "path": "item.path"}
    last = {"name": "'z.txt'", "text": "'z'"}
    assert [source.name for source in sources_of({"files": FILES}, each, last)] == ["a.csv", "b.csv", "z.txt"]


@pytest.mark.parametrize("path", ["out/a.csv", "/srv/shared/out/a.csv"])
def test_file_on_the_volume_is_named_by_its_path(path: str) -> None:
    assert sources_of({"path": path}, {"path": "response.body.path"}) == [SharedFile("a.csv", "text/csv", path, ROOT, None)]


@pytest.mark.parametrize("path", ["", "/", "..", "out/.."])
def test_path_that_ends_in_no_file_is_a_failure_naming_the_path(path: str) -> None:
    found = failure_of(legacy_exchange({"path": path}), artifacts=[{"path": "response.body.path"}])
    assert "artifacts[0].path of its action 'score'" in found.message


def test_file_on_the_volume_may_have_another_name() -> None:
    mapping = {"path": "response.body.path", "name": "'x/y.dat'", "media_type": "'text/x'"}
    assert sources_of({"path": "out/a.csv"}, mapping) == [SharedFile("x/y.dat", "text/x", "out/a.csv", ROOT, None)]


@pytest.mark.parametrize(
    ("said", "sha256"),
    [
        ("a" * 64, "a" * 64),
        ("A" * 64, "a" * 64),
        (f"sha256:{'b' * 64}", "b" * 64),
        (f" SHA-256:{'c' * 64}\n", "c" * 64),
        (None, None),
        ("", None),
    ],
)
def test_hash_of_a_file_is_taken_in_any_spelling_and_may_be_missing(said: str | None, sha256: str | None) -> None:
    (source,) = sources_of({"path": "a", "hash": said}, {"path": "response.body.path", "sha256": "response.body.hash"})
    assert isinstance(source, SharedFile)
    assert source.sha256 == sha256


@pytest.mark.parametrize("said", ["nothex", "a" * 63, "md5:" + "a" * 32, "a" * 65, 7])
def test_hash_that_is_none_is_a_failure(said: Any) -> None:
    body = {"path": "a", "hash": said}
    found = failure_of(legacy_exchange(body), artifacts=[{"path": "response.body.path", "sha256": "response.body.hash"}])
    assert found.code == "MAPPING_FAILED"
    assert "artifacts[0].sha256 of its action 'score'" in found.message


def whole_answer(answer: Exchange, /, **mapping: str) -> InlineFile:
    (source,) = answer_of(answer, answer="binary", artifacts=[mapping]).sources
    assert isinstance(source, InlineFile)
    return source


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="brief.pdf"', "brief.pdf"),
        ("attachment; filename=brief.pdf", "brief.pdf"),
        ('inline; FileName="brief.pdf"', "brief.pdf"),
        ("attachment; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf", "résumé.pdf"),
        ("attachment; filename*=iso-8859-1'en'%A3.pdf", "£.pdf"),
        (r'attachment; filename="a\"b.pdf"', 'a"b.pdf'),
        ("attachment; filename*=unknown''a.pdf", "a.pdf"),
        ("attachment", "score.pdf"),
        ("", "score.pdf"),
        ('attachment; filename=""', "score.pdf"),
        (";;;", "score.pdf"),
    ],
)
def test_whole_answer_is_saved_under_the_name_it_gives_itself(disposition: str, name: str) -> None:
    answer = legacy_exchange(b"%PDF", content_type="application/pdf", content_disposition=disposition)
    assert whole_answer(answer) == InlineFile(name, "application/pdf", b"%PDF")


@pytest.mark.parametrize(
    "disposition",
    [
        "attachment; filename=resume.pdf; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf",
        "attachment; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf; filename=resume.pdf",
    ],
)
def test_extended_name_wins_over_the_plain_one(disposition: str) -> None:
    """RFC 6266, section 4.3."""
    answer = legacy_exchange(b"%PDF", content_type="application/pdf", content_disposition=disposition)
    assert whole_answer(answer).name == "résumé.pdf"


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="/etc/passwd"', "passwd"),
        (r'attachment; filename="C:\\Users\\x.pdf"', "x.pdf"),
        (r'attachment; filename="..\\..\\x.pdf"', "x.pdf"),
        ("attachment; filename*=UTF-8''%2e%2e%2f%2e%2e%2fetc%2fpasswd", "passwd"),
        ('attachment; filename="."', "score.pdf"),
        ('attachment; filename="/"', "score.pdf"),
        ('attachment; filename="a/.."', "score.pdf"),
    ],
)
def test_name_that_the_answer_gives_itself_never_has_a_folder(disposition: str, name: str) -> None:
    answer = legacy_exchange(b"%PDF", content_type="application/pdf", content_disposition=disposition)
    assert whole_answer(answer).name == name


@pytest.mark.parametrize(
    ("content_type", "name", "media_type"),
    [
        ("application/pdf", "score.pdf", "application/pdf"),
        ("application/pdf; charset=binary", "score.pdf", "application/pdf"),
        ("application/json", "score.json", "application/json"),
        ("application/x-own", "score.bin", "application/x-own"),
        ("", "score.bin", "application/octet-stream"),
    ],
)
def test_whole_answer_without_a_name_is_named_by_action_and_type(content_type: str, name: str, media_type: str) -> None:
    assert whole_answer(legacy_exchange(b"bytes", content_type=content_type)) == InlineFile(name, media_type, b"bytes")


@pytest.mark.parametrize("content_type", ["pdf", "application/", "app lication/pdf"])
def test_whole_answer_with_a_type_that_is_none_is_saved_as_bytes(content_type: str) -> None:
    assert whole_answer(legacy_exchange(b"%PDF", content_type=content_type)).content == b"%PDF"


def test_declared_name_and_type_win_over_those_of_the_answer() -> None:
    answer = legacy_exchange(b"%PDF", content_type="application/pdf", content_disposition="attachment; filename=x.pdf")
    assert whole_answer(answer, name="'y.dat'", media_type="'text/x'") == InlineFile("y.dat", "text/x", b"%PDF")


def test_json_answer_may_be_kept_as_a_file_too() -> None:
    answer = answer_of(legacy_exchange(b'{ "a": 1 }'), artifacts=[{"name": "'raw.json'"}])
    assert answer.envelope.outputs == {"a": 1}
    assert answer.sources == (InlineFile("raw.json", "application/json", b'{ "a": 1 }'),)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a.csv", "a.csv"], "'a.csv' and 'a.csv' cannot stand in one folder"),
        (["a.csv", "A.CSV"], "'A.CSV' and 'a.csv' cannot stand in one folder"),
        (["a", "a/b"], "'a/b' and 'a' cannot stand in one folder"),
        (["é" * 200], "cannot be stored"),
    ],
    ids=str,
)
def test_artifacts_that_cannot_stand_beside_each_other_are_a_failure(names: list[str], said: str) -> None:
    found = failure_of(
        legacy_exchange(names), outputs="{}", artifacts=[{"each": "response.body", "name": "item", "text": "'x'"}]
    )
    assert (found.code, found.requirement) == ("MAPPING_FAILED", "OPS-ART-005")
    assert said in found.message


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", "a\\b", "a\nb", "a//b", "C:a"])
def test_declared_name_that_leads_elsewhere_is_a_failure_naming_the_artifact(name: str) -> None:
    artifacts = [{"name": "'ok'", "text": "'x'"}, {"name": "response.body.name", "text": "'x'"}]
    found = failure_of(legacy_exchange({"name": name}), artifacts=artifacts)
    assert found.code == "MAPPING_FAILED"
    assert "artifacts[1].name of its action 'score'" in found.message


def test_declared_media_type_that_is_none_is_a_failure_naming_the_artifact() -> None:
    found = failure_of(legacy_exchange({}), artifacts=[{"name": "'a'", "media_type": "'text'", "text": "'x'"}])
    assert "artifacts[0].media_type of its action 'score'" in found.message


@pytest.mark.parametrize("value", [[{"error": False}, {"error": None}], [{"error": 0}], []])
def test_list_in_which_nothing_is_true_is_no_failure(value: Any) -> None:
    assert answer_of(legacy_exchange({"rows": value}), failure={"when": "response.body.rows.error"})


@pytest.mark.parametrize("outputs", [r"{ 'a': '\ud800' }", "{ 'a': $reduce([1..300], function($a, $b) { { 'a': $a } }) }"])
def test_outputs_that_no_json_can_carry_are_a_failure_of_the_mapping(outputs: str) -> None:
    failure = failure_of(legacy_exchange({}), outputs=outputs)
    assert failure.code == "MAPPING_FAILED"
    assert "outputs of its action 'score'" in failure.message


def test_files_of_one_name_in_two_folders_keep_their_folders() -> None:
    files = {"files": [{"path": f"{ROOT}/{folder}/plot.png"} for folder in "ab"] + [{"path": "c.txt"}]}
    sources = sources_of(files, {"each": "response.body.files", "path": "item.path"})
    assert [source.name for source in sources] == ["a/plot.png", "b/plot.png", "c.txt"]


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape", "punycode", "rot13"])
def test_charset_that_no_web_page_has_is_not_used(charset: str) -> None:
    answer = legacy_exchange(b"+2AA- \\ud800", content_type=f"text/plain; charset={charset}")
    assert answer_of(answer, answer="text", outputs="{ 'text': response.body }").envelope.outputs["text"] == "+2AA- \\ud800"


@pytest.mark.parametrize("name", ["x" * 300, "a%09b", "a%0Ab", "C:report.pdf"])
def test_name_that_cannot_be_stored_gives_way_to_the_action_s(name: str) -> None:
    answer = legacy_exchange(
        b"%PDF", content_type="application/pdf", content_disposition=f"attachment; filename*=UTF-8''{name}"
    )
    assert whole_answer(answer).name == "score.pdf"


def test_name_in_a_charset_that_cannot_be_read_gives_way_to_the_action_s() -> None:
    answer = legacy_exchange(b"%PDF", content_type="application/pdf", content_disposition="attachment; filename*=idna''%E9.pdf")
    assert whole_answer(answer).name == "score.pdf"
