"""Wells: which wells run dry. An honest module in FastAPI with the actions `survey` and `forecast`, and no `execute`.

Profiles: core, deterministic. It declares its request as pydantic models in strict mode, accepts bodies of any size, and gives
its forecast from the survey of an earlier step when there is one.
"""

import asyncio
import json
import math
import os
import random
import re
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NoReturn

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from starlette.exceptions import HTTPException

NAME, VERSION, CONTRACT, SERVED = "wells", "0.9.0-rc.1", "1.0", ["1.0", "1.3"]
TRACEPARENT = re.compile("00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def real(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def plain_name(name: str) -> str:
    parts = name.split("/")
    if any(part in {"", ".", ".."} or len(part.encode()) > 255 for part in parts):
        raise ValueError("must be a relative path without empty, '.' or '..' segments")
    return name


Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]
Version = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$", max_length=16)]
Text = Annotated[str, StringConstraints(min_length=1)]
FileText = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f-\x9f\\]+$")]
MediaType = Annotated[
    str, StringConstraints(pattern="^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[ -~]+)?$", max_length=255)
]
Pointer = Annotated[str, StringConstraints(pattern="^(/([^~/]|~[01])*)*$")]
Integer = Annotated[int, BeforeValidator(whole)]
Real = Annotated[float, BeforeValidator(real)]


def file_name(value: Any) -> Any:
    if isinstance(value, str):
        if re.match("[A-Za-z]:", value):
            raise ValueError("must not begin with a drive letter")
        plain_name(value)
    return value


FileName = Annotated[FileText, BeforeValidator(file_name)]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class File(Strict):
    name: FileName
    media_type: MediaType
    size_bytes: Annotated[Integer, Field(ge=0)]
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class Evidence(Strict):
    id: Text
    kind: Text
    title: Text
    uri: str | None = None
    supports: list[Pointer] = []
    artifact: FileName | None = None
    synthetic: bool | None = None
    observed_at: str | None = None


class Step(Strict):
    module: Identifier
    outputs: dict[str, Any]
    artifacts: list[File] = []
    evidence: list[Evidence] = []


class Options(Strict):
    seed: Annotated[Integer, Field(ge=0, le=2**31 - 1)] = 0
    deadline_s: Annotated[Real, Field(gt=0)] | None = None


class Call(Strict):
    contract_version: Version
    run_id: Identifier
    step_id: Identifier
    scenario_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    action: Identifier
    inputs: dict[str, Any]
    upstream: Annotated[dict[Identifier, Step], Field(max_length=1000)] = {}
    options: Options = Options()


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.error = status, {"code": code, "message": message, "retryable": False, **more}


app = FastAPI(title=NAME, version=VERSION)


def envelope(request: Request, status: str, **fields: Any) -> dict[str, Any]:
    trace = TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    meta = {"trace_id": trace[1]} if trace else {}
    return {"status": status, "module": NAME, "version": VERSION, "contract_version": CONTRACT, **fields, "meta": meta}


# --- Requests


def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return value


def refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def integer(digits: str) -> int:
    if abs(float(digits)) >= 2**53:
        raise ValueError("an integer of 2^53 or more")
    return int(digits)


def number(digits: str) -> float:
    if math.isinf(float(digits)):
        raise ValueError("a number beyond the range of a double")
    return float(digits)


def depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if children is None else 1 + max(map(depth, children), default=0)


def read_json(body: bytes) -> Any:
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=members, parse_constant=refuse, parse_int=integer, parse_float=number
        )
        json.dumps(value, ensure_ascii=False).encode()
        if depth(value) > 200:
            refuse("more than 200 levels")
    except (ValueError, RecursionError) as error:
        reason = "it nests too deeply" if isinstance(error, RecursionError) else str(error)
        raise Refused(400, "MALFORMED_JSON", f"the body is not JSON: {reason}") from error
    return value


def judge_version(value: Any) -> None:
    version = value.get("contract_version") if isinstance(value, dict) else None
    if isinstance(version, str) and re.fullmatch(r"(?=.{3,16}\Z)(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)", version):
        if version.split(".")[0] == "1":
            return
        details = {"supported_versions": SERVED}
        raise Refused(422, "UNSUPPORTED_VERSION", f"{version} is not served", pointer="/contract_version", details=details)


def judged(value: Any) -> Call:
    judge_version(value)
    try:
        call = Call.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = [str(part) for part in first["loc"] if part != "[key]"]
        pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in place)
        raise Refused(422, "INVALID_REQUEST", f"{pointer or 'the body'}: {first['msg']}", pointer=pointer) from error
    if call.action not in ACTIONS:
        message = f"the action is not known; these are: {', '.join(ACTIONS)}"
        raise Refused(422, "UNKNOWN_ACTION", message, pointer="/action", details={"known_actions": list(ACTIONS)})
    return call


# --- The model


def survey(call: Call) -> dict[str, Any]:
    draw = random.Random(call.options.seed)
    return {"wells": [{"id": f"w{number}", "depth_m": round(draw.uniform(5, 80), 2)} for number in range(1, 13)]}


def forecast(call: Call) -> dict[str, Any]:
    """From the survey of an earlier step, and from a survey of its own when there is none."""
    surveys = [one.outputs.get("wells") for _, one in sorted(call.upstream.items()) if one.module == NAME]
    wells = next((one for one in surveys if isinstance(one, list) and one), survey(call)["wells"])
    depths = [one["depth_m"] for one in wells if isinstance(one, dict) and isinstance(one.get("depth_m"), float | int)]
    dry = sum(depth_m < 20 for depth_m in depths) / max(len(depths), 1)
    return {"kpis": {"dry": round(dry, 4)}, "units": {"dry": "share of wells"}, "labels": {"dry": "Wells that run dry"}}


ACTIONS: dict[str, Callable[[Call], dict[str, Any]]] = {"survey": survey, "forecast": forecast}


# --- Routes


@app.get("/health")
async def health() -> dict[str, Any]:
    declared = {"contract_versions": SERVED, "profiles": ["deterministic"], "actions": list(ACTIONS)}
    return {"status": "ok", "module": NAME, "version": VERSION, **declared}


@app.post("/execute")
async def execute(request: Request) -> JSONResponse:
    arrived = time.monotonic()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "send the body as application/json")
    call = judged(read_json(await request.body()))
    outputs = await asyncio.to_thread(ACTIONS[call.action], call)
    if call.options.deadline_s is not None and time.monotonic() - arrived > call.options.deadline_s:
        raise Refused(503, "DEADLINE_EXCEEDED", "not done by the deadline; give more time", retryable=True)
    evidence = [{"id": "rule", "kind": "document", "title": "Wells below 20 m run dry", "synthetic": True}]
    return JSONResponse(envelope(request, "success", outputs=outputs, evidence=evidence))


@app.exception_handler(Refused)
async def refused(request: Request, error: Refused) -> JSONResponse:
    return JSONResponse(envelope(request, "error", error=error.error), error.status)


@app.exception_handler(HTTPException)
async def http_error(request: Request, error: HTTPException) -> JSONResponse:
    failure = {"code": f"HTTP_{error.status_code}", "message": error.detail, "retryable": False}
    return JSONResponse(envelope(request, "error", error=failure), error.status_code, error.headers)


@app.middleware("http")
async def failed(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    try:
        return await handle(request)
    except Exception:  # noqa: BLE001  # whatever it is, the caller gets an envelope
        failure = {"code": "INTERNAL", "message": "the module failed", "retryable": False}
        return JSONResponse(envelope(request, "error", error=failure), 500)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("OPS_PORT", "8080")))
