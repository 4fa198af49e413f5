"""Twins that refuse what SPEC.md says is served, or serve what is not; versions, actions, methods and sizes."""

import re
import time
from typing import Any

from contract.compliance.dishonest.module import Module
from contract.compliance.dishonest.twin import both, twin
from contract.compliance.honest.plain_module import Problem

CALL = "contract_version run_id step_id scenario_id action inputs upstream options"


def refuses(condition: Any, pointer: str, status: int = 422) -> Any:
    """A judge that refuses what `condition` holds of, although the schema accepts it."""

    def judge(self: Module, call: Any) -> None:
        Module.judge(self, call)
        if condition(call):
            raise Problem(status, "INVALID_REQUEST", f"{pointer} is not accepted", pointer)

    return judge


def unknown(value: dict[str, Any], known: str) -> bool:
    return not set(value) <= set(known.split())


def exact_media_type(self: Module) -> None:
    if ";" in self.headers.get("Content-Type", ""):
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", "send the body as application/json")


def slow_with_many_keys(_: Module, body: bytes) -> None:
    if body.count(b":") > 50_000:
        time.sleep(6)


def refuse(problem: Problem) -> None:
    raise problem


# OPS-FWD-001, "Unknown fields are ignored, at every level."
twin("an unknown field is refused", "FWD-001", judge=refuses(lambda call: unknown(call, CALL), ""))
twin(
    "an unknown option is refused",
    "FWD-001",
    judge=refuses(lambda call: unknown(call.get("options", {}), "seed deadline_s"), "/options"),
)
twin(
    "an unknown field of a step is refused",
    "FWD-001",
    "FWD-002",
    judge=refuses(
        lambda call: any(unknown(step, "module outputs artifacts evidence") for step in call.get("upstream", {}).values()),
        "/upstream",
    ),
)
twin(
    "an unknown field of a step's artifact is refused",
    "FWD-001",
    "FWD-002",
    judge=refuses(
        lambda call: any(
            unknown(one, "name media_type size_bytes sha256")
            for step in call.get("upstream", {}).values()
            for one in step.get("artifacts", [])
        ),
        "/upstream",
    ),
)
twin("an unknown field changes the result", "FWD-001", seed=lambda self, call: Module.seed(self, call) + unknown(call, CALL))

# OPS-FWD-002, "A request with earlier steps in upstream is served."
twin("earlier steps are refused", "FWD-002", judge=refuses(lambda call: call.get("upstream"), "/upstream"))
twin("two earlier steps are refused", "FWD-002", judge=refuses(lambda call: len(call.get("upstream", {})) > 1, "/upstream"))
twin(
    "an earlier step of an unknown module fails",
    "FWD-002",
    judge=refuses(
        lambda call: any(
            step["module"] not in {"tolls", "policy-simulator", "data-layer"} for step in call.get("upstream", {}).values()
        ),
        "/upstream",
    ),
)
twin(
    "null in a step's evidence is refused",
    "FWD-002",
    judge=refuses(
        lambda call: any(
            None in one.values() for step in call.get("upstream", {}).values() for one in step.get("evidence", [])
        ),
        "/upstream",
    ),
)

# OPS-FWD-003, "What the schema allows is served up to its bounds."
twin(
    "ids have 64 characters at most",
    "FWD-003",
    judge=refuses(lambda call: max(len(call["run_id"]), len(call["step_id"])) > 64, "/run_id"),
)
twin("ids are in lower case", "FWD-003", judge=refuses(lambda call: call["run_id"] != call["run_id"].lower(), "/run_id"))
twin("ids have no dot", "FWD-003", judge=refuses(lambda call: "." in call["run_id"] + call["step_id"], "/run_id"))
twin(
    "scenario_id is counted in UTF-16",
    "FWD-003",
    judge=refuses(lambda call: len(call["scenario_id"].encode("utf-16-le")) > 400, "/scenario_id"),
)
twin(
    "scenario_id is plain text in ASCII",
    "FWD-003",
    judge=refuses(lambda call: not call["scenario_id"].isascii(), "/scenario_id"),
)
twin(
    "the seed 42.0 is refused",
    "FWD-003",
    judge=refuses(lambda call: type(call.get("options", {}).get("seed", 0)) is float, "/options/seed"),
)
twin("a charset is refused", "FWD-003", judge_media_type=both(exact_media_type, Module.judge_media_type))
twin(
    "a deadline of null is refused",
    "FWD-003",
    judge=refuses(lambda call: call.get("options", {}).get("deadline_s", 1) is None, "/options/deadline_s"),
)
twin(
    "the deadline is read in milliseconds",
    "FWD-003",
    "LIM-002",
    "EXE-001",
    deadline=lambda self, call: (Module.deadline(self, call) or 10**9) / 1000,
)

# OPS-VER-001, -002, "A module serves every minor of a major that it serves ... A major that it does not serve is refused."
twin("version 2.0 is served", "VER-001", serves=lambda self, version: version.split(".")[0] in {"1", "2"})
twin("version 0.9 is served", "VER-001", serves=lambda self, version: version.split(".")[0] in {"1", "0"})
twin("version 10.0 is served as 1.0 is", "VER-001", serves=lambda self, version: version.startswith("1"))
twin("every version is served", "VER-001", serves=lambda self, version: True)
twin("version 1.1 is refused", "VER-002", serves=lambda self, version: version == "1.0")
twin("version 1.10 is refused", "VER-002", serves=lambda self, version: bool(re.fullmatch("1[.][0-9]", version)))
twin(
    "the supported versions are not told",
    "VER-001",
    unsupported=lambda self, version: refuse(Problem(422, "UNSUPPORTED", "this version is not served", "/contract_version")),
)
twin(
    "the version is judged last",
    "VER-001",
    judge_version=lambda self, call: None,
    judge=both(Module.judge, Module.judge_version),
)

# OPS-EXE-005, "An unknown action is an error envelope that lists the known ones."
twin("an unknown action is served", "EXE-005", judge_action=lambda self, action: None)
twin(
    "the known actions are not told",
    "EXE-005",
    judge_action=lambda self, action: (
        None if action in self.actions else refuse(Problem(422, "UNKNOWN_ACTION", "the action is not known", "/action"))
    ),
)
twin(
    "the unknown action is told in place of the known",
    "EXE-005",
    judge_action=lambda self, action: (
        None
        if action in self.actions
        else refuse(Problem(422, "UNKNOWN_ACTION", f"cannot execute {action}", "/action", details={"known_actions": [action]}))
    ),
)

# OPS-ERR-010, OPS-LIM-003
twin("text/plain is read as JSON", "ERR-010", judge_media_type=lambda self: None)
twin(
    "a wrong method is 404",
    "ERR-010",
    not_allowed=lambda self: (self.read(), self.refuse(Problem(404, "NOT_FOUND", "nothing is served here"))),
)
twin(
    "405 without Allow",
    "ERR-010",
    not_allowed=lambda self: (self.read(), self.refuse(Problem(405, "METHOD_NOT_ALLOWED", "the method is not served"))),
)
twin(
    "a body that is too large is 400",
    "LIM-003",
    too_large=lambda self: refuse(Problem(400, "TOO_LARGE", "the body is too large")),
)
twin("a body that is too large fails", "ERR-006", "LIM-003", too_large=lambda self: 1 / 0)
twin("many keys take more than 5 s", "LIM-001", parse=both(slow_with_many_keys, Module.parse))
