"""Bodies that are not JSON, read by parsers that are not ours."""

import base64
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qsl

import pytest

from ops_contract import MASK, ShapeError, sha256_hex, validate
from ops_orchestrator.errors import StepError
from ops_orchestrator.exchange import Request
from ops_orchestrator.masking import Secrets
from ops_orchestrator.modules.adapters.declaration import Action
from ops_orchestrator.modules.adapters.evaluation import Evaluation
from ops_orchestrator.modules.adapters.request import map_request
from ops_orchestrator.modules.adapters.request_body import MOST_BODY_BYTES, ReadArtifact, Sources
from ops_orchestrator.modules.sent_body import shown_body

PDF = b"%PDF-1.7\r\n--boundary\r\n\x00\xff"
REPORT = {"name": "out/outlook.pdf", "media_type": "application/pdf", "size_bytes": len(PDF), "sha256": sha256_hex(PDF)}
HUGE = {**REPORT, "name": "huge.bin", "size_bytes": MOST_BODY_BYTES + 1}
INPUTS = {
    "country": "DO",
    "note": 'Año "fiscal"\r\n',
    "years": [2024, 2025],
    "none": None,
    "scan": base64.b64encode(PDF).decode(),
}


def read(step_id: str, name: str, limit: int) -> bytes:
    assert (step_id, name, limit) == ("report", "out/outlook.pdf", len(PDF))
    return PDF


def request_of(*, reader: ReadArtifact | None = read, secrets: tuple[str, ...] = (), **declared: Any) -> Request:
    action = validate(Action, {"path": "/upload", **declared}, "action")
    context = {"inputs": INPUTS, "upstream": {"report": {"artifacts": [REPORT, HUGE]}}}
    return map_request(action, Evaluation("legacy", "upload", context), Sources(reader, Secrets.of(secrets).masked_bytes))


def failure_of(**declared: Any) -> str:
    with pytest.raises(StepError) as caught:
        request_of(**declared)
    assert caught.value.failure.code == "MAPPING_FAILED"
    return caught.value.failure.message


def parts_in(request: Request) -> list[EmailMessage]:
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    message = message_from_bytes(head + request.body, policy=policy.HTTP)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return [part for part in message.iter_parts() if isinstance(part, EmailMessage)]


def test_form_is_sent_url_encoded_with_lists_repeated_and_absent_values_left_out() -> None:
    request = request_of(form={"iso": "inputs.country", "note": "inputs.note", "year": "inputs.years", "none": "inputs.none"})
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qsl(request.body.decode()) == [("iso", "DO"), ("note", INPUTS["note"]), ("year", "2024"), ("year", "2025")]
    assert shown_body(request.body, request.content_type) == {
        "form": {"iso": "DO", "note": INPUTS["note"], "year": ["2024", "2025"]}
    }


def test_multipart_has_fields_json_and_the_bytes_of_files() -> None:
    request = request_of(
        multipart={
            "iso": "inputs.country",
            "year": "inputs.years",
            "none": "inputs.none",
            "options": {"body": '{ "country": inputs.country }'},
            "table": {"text": "inputs.note", "filename": '"a.csv"'},
            "report": {"artifact": "upstream.report.artifacts[0]"},
            "scan": {"base64": "inputs.scan", "filename": '"scan \\"1\\".bin"', "media_type": '"image/x-odd"'},
        }
    )
    found = [
        (part.get_param("name", header="content-disposition"), part.get_filename(), part.get_content_type())
        for part in parts_in(request)
    ]
    assert found == [
        ("iso", None, "text/plain"),
        ("year", None, "text/plain"),
        ("year", None, "text/plain"),
        ("options", None, "application/json"),
        ("table", "a.csv", "text/csv"),
        ("report", "outlook.pdf", "application/pdf"),
        ("scan", "scan %221%22.bin", "image/x-odd"),
    ]
    shown = shown_body(request.body, request.content_type)["multipart"]
    assert shown[0] == {"name": "iso", "text": "DO"}
    digest = {"size_bytes": len(PDF), "sha256": sha256_hex(PDF)}
    assert shown[5] == {"name": "report", "filename": "outlook.pdf", "media_type": "application/pdf", **digest}
    assert shown[6] == {"name": "scan", "filename": 'scan "1".bin', "media_type": "image/x-odd", **digest}
    assert request.body.count(PDF) == 2


def test_multipart_is_the_same_bytes_each_time_and_no_part_can_forge_another() -> None:
    declared: dict[str, Any] = {"multipart": {"note": "inputs.note", "report": {"artifact": "upstream.report.artifacts[0]"}}}
    first, second = request_of(**declared), request_of(**declared)
    assert (first.body, first.headers) == (second.body, second.headers)
    forged = f'"x\\r\\n--{first.content_type.partition("=")[2]}\\r\\n"'
    assert len(parts_in(request_of(multipart={"note": forged, "other": "inputs.country"}))) == 2
    assert 'name="b"' not in request_of(multipart={'a"; name="b': "inputs.country"}).body.decode()


def test_boundary_says_nothing_of_a_secret() -> None:
    types = {
        request_of(multipart={"note": f'"{secret}"'}, secrets=(secret,)).content_type for secret in ("hunter-22", "hunter-33")
    }
    assert len(types) == 1


@pytest.mark.parametrize(
    ("declared", "content", "media_type"),
    [
        ({"text": "inputs.note"}, str(INPUTS["note"]).encode(), "text/plain; charset=utf-8"),
        ({"binary": {"artifact": "upstream.report.artifacts[name = 'out/outlook.pdf']"}}, PDF, "application/pdf"),
        ({"binary": {"base64": "inputs.scan"}}, PDF, "application/octet-stream"),
        ({"text": '"a;b"', "headers": {"content-type": '"text/csv"'}}, b"a;b", "text/csv"),
        ({"text": '""'}, b"", ""),
        ({}, b"", ""),
        ({"form": {"none": "inputs.none"}}, b"", ""),
        ({"multipart": {"none": "inputs.none"}}, b"", ""),
    ],
    ids=str,
)
def test_body_goes_out_as_it_is_with_its_media_type_and_none_without_a_body(
    declared: dict[str, Any], content: bytes, media_type: str
) -> None:
    request = request_of(**declared)
    assert (request.body, request.content_type) == (content, media_type)


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"binary": {"artifact": "inputs.country"}}, "binary.artifact of its action 'upload': must yield an artifact of an"),
        ({"binary": {"artifact": "upstream.report.artifacts"}}, "there are 'out/outlook.pdf' of step 'report', 'huge.bin'"),
        ({"multipart": {"a": {"artifact": "upstream.report.artifacts[9]"}}}, "multipart.a.artifact of its action 'upload': "),
        ({"binary": {"artifact": "upstream.report.artifacts[1]"}}, f"files of a request may have {MOST_BODY_BYTES} bytes"),
        ({"binary": {"artifact": "upstream.report.artifacts[0]"}, "reader": None}, "are not here, only its name and hash"),
        ({"binary": {"artifact": "upstream.report.artifacts[0]"}, "reader": lambda *_: b"x"}, "its SHA-256 differs"),
        ({"multipart": {"a": {"base64": '"%"'}}}, "multipart.a.base64 of its action 'upload': does not yield base64"),
        ({"multipart": {"a": {"text": '"x"', "media_type": '"a/b\\r\\nX: y"'}}}, "which is not a media type"),
        ({"form": {"a": "inputs"}}, "form.a of its action 'upload': must yield text, not an object"),
        ({"form": {"password": "$number(inputs.country)"}}, "is not shown, since it may hold a secret"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_body_that_cannot_be_made_is_refused_with_its_place_and_reason(declared: dict[str, Any], words: str) -> None:
    assert words in failure_of(**declared)


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"body": "1", "form": {"a": "1"}}, "must have one of body, form: a request has one body"),
        ({"binary": {}}, "must have one of artifact, base64"),
        ({"multipart": {"a": {"text": "1", "base64": "1"}}}, "must have one of text, base64"),
        ({"multipart": {"a": "1"}, "headers": {"content-type": '"x/y"'}}, "sets Content-Type with its boundary itself"),
        ({"multipart": {"a": "inptus"}}, "there is no 'inptus' here; did you mean 'inputs'?"),
    ],
    ids=str,
)
def test_declaration_of_a_body_that_cannot_work_is_refused(declared: dict[str, Any], words: str) -> None:
    with pytest.raises(ShapeError, match="action") as caught:
        validate(Action, {"path": "/", **declared}, "action")
    assert words in str(caught.value)


def test_body_masked_as_a_whole_is_shown_as_text() -> None:
    request = request_of(multipart={"a": "inputs.country"})
    assert shown_body(MASK.encode(), request.content_type) == {"text": MASK}
