"""The contract between OpenPolicyStack modules and their callers: models, strict JSON, checks, schemas, shared rules.

The prose is SPEC.md; the schema files for other languages are in `schemas/` of the source tree and come from
`python -m ops_contract.schemas`.
"""

from ops_contract._address import base_url_problem, request_target
from ops_contract._answer import MAX_HEADER_BYTES, MAX_HEADER_FIELDS, MAX_INTERIM_ANSWERS, AnswerJudgement, judge_answer
from ops_contract._artifact import LONGEST_DESCRIPTION, LONGEST_TITLE, Artifact, ArtifactRef, Href, MediaType
from ops_contract._artifact_name import ArtifactName, unstorable_names
from ops_contract._base import ContractModel, Count, Identifier, Seed, Sha256, Version, problem_of, problems_of, validate
from ops_contract._body import read_body
from ops_contract._difference import ABSENT, Difference, differences
from ops_contract._envelope import Envelope, ErrorDetail, ErrorEnvelope, SuccessEnvelope, parse_envelope
from ops_contract._errors import MAX_PROBLEMS, ContractError, JsonError, NumberError, Problem, ShapeError, TooManyValuesError
from ops_contract._evidence import Evidence
from ops_contract._execute import ExecuteRequest, Options, UpstreamStep
from ops_contract._health import Health
from ops_contract._json import (
    MAX_VALUES,
    canonical_json,
    check_numbers,
    fingerprint,
    join_pointer,
    parse_json,
    pointer_to,
    sha256_hex,
    split_pointer,
)
from ops_contract._key_figures import has_key_figures, is_number, key_figure_problems
from ops_contract._quick_json import MAX_DEPTH
from ops_contract._refusal import RefusalError
from ops_contract._request import ReadRequest, check_request_headers, is_encoded, media_type_of, read_request, trace_of
from ops_contract._secret import MASK, is_secret, masked_url
from ops_contract._suggestion import nearest, suggestion
from ops_contract._terminal_safe import terminal_safe
from ops_contract._verify import Violation, content_violation, resolve_pointer, violations
from ops_contract._version import CONTRACT_VERSION, UNKNOWN_VERSION, is_supported

__all__ = [
    "ABSENT",
    "CONTRACT_VERSION",
    "LONGEST_DESCRIPTION",
    "LONGEST_TITLE",
    "MASK",
    "MAX_DEPTH",
    "MAX_HEADER_BYTES",
    "MAX_HEADER_FIELDS",
    "MAX_INTERIM_ANSWERS",
    "MAX_PROBLEMS",
    "MAX_VALUES",
    "UNKNOWN_VERSION",
    "AnswerJudgement",
    "Artifact",
    "ArtifactName",
    "ArtifactRef",
    "ContractError",
    "ContractModel",
    "Count",
    "Difference",
    "Envelope",
    "ErrorDetail",
    "ErrorEnvelope",
    "Evidence",
    "ExecuteRequest",
    "Health",
    "Href",
    "Identifier",
    "JsonError",
    "MediaType",
    "NumberError",
    "Options",
    "Problem",
    "ReadRequest",
    "RefusalError",
    "Seed",
    "Sha256",
    "ShapeError",
    "SuccessEnvelope",
    "TooManyValuesError",
    "UpstreamStep",
    "Version",
    "Violation",
    "base_url_problem",
    "canonical_json",
    "check_numbers",
    "check_request_headers",
    "content_violation",
    "differences",
    "fingerprint",
    "has_key_figures",
    "is_encoded",
    "is_number",
    "is_secret",
    "is_supported",
    "join_pointer",
    "judge_answer",
    "key_figure_problems",
    "masked_url",
    "media_type_of",
    "nearest",
    "parse_envelope",
    "parse_json",
    "pointer_to",
    "problem_of",
    "problems_of",
    "read_body",
    "read_request",
    "request_target",
    "resolve_pointer",
    "sha256_hex",
    "split_pointer",
    "suggestion",
    "terminal_safe",
    "trace_of",
    "unstorable_names",
    "validate",
    "violations",
]
