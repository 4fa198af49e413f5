"""Twins that read requests otherwise than SPEC.md says."""

import json
import re
import time
from typing import Any

from contract.compliance.dishonest.module import Module
from contract.compliance.dishonest.twin import then, twin, without
from contract.compliance.honest.plain_module import REQUEST, Problem, parsed


def lenient(**repairs: Any) -> Any:
    """A judge that first repairs fields of the body: what `repairs` makes of a value is judged and used."""

    def judge(self: Module, call: Any) -> None:
        if isinstance(call, dict):
            for name, repair in repairs.items():
                if name in call:
                    call[name] = repair(call[name])
        Module.judge(self, call)

    return judge


def of_option(name: str, repair: Any) -> Any:
    return lenient(
        options=lambda options: {**options, name: repair(options[name])} if isinstance(options, dict) and name in options else options
    )


def of_step(repair: Any) -> Any:
    return lenient(upstream=lambda steps: {name: repair(one) for name, one in steps.items()} if isinstance(steps, dict) else steps)


def numeral(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


def parses(*steps: Any) -> Any:
    """Accepts what is refused, if one of `steps` makes something of the body that is accepted."""

    def parse(_: Module, body: bytes) -> Any:
        for step in (bytes, *steps):
            try:
                return parsed(step(body))
            except (Problem, ValueError):
                continue
        return parsed(body)

    return parse


def lax(**options: Any) -> Any:
    """json.loads as it is, but for what `options` say."""

    def parse(_: Module, body: bytes) -> Any:
        try:
            return json.loads(body.decode("utf-8"), **options)
        except (ValueError, RecursionError) as error:
            raise Problem(400, "MALFORMED_JSON", "not JSON") from error

    return parse


def lax_but(mark: str) -> Any:
    """json.loads as it is for bodies with `mark` in them, strict otherwise."""
    loose = lax()
    return lambda self, body: loose(self, body) if re.search(mark.encode(), body) else parsed(body)


def refuses(condition: Any, pointer: str, status: int = 422) -> Any:
    """A judge that refuses what `condition` holds of, although the schema accepts it."""

    def judge(self: Module, call: Any) -> None:
        Module.judge(self, call)
        if condition(call):
            raise Problem(status, "INVALID_REQUEST", f"{pointer} is not accepted", pointer)

    return judge


def unknown(value: dict[str, Any], known: str) -> bool:
    return not set(value) <= set(known.split())


def refuse(problem: Problem) -> None:
    raise problem


def pointed(change: Any) -> Any:
    return then(Module.error, lambda _, error: change(error) if error["code"] == "F-22" else error)


CALL = "contract_version run_id step_id scenario_id action inputs upstream options"

# OPS-ERR-003, "The body is not JSON as above: 400."
twin("malformed JSON is 422", "ERR-003", status=lambda self, problem: 422 if problem.http == 400 else problem.http)
twin("malformed JSON is 500", "ERR-003", "ERR-006", status=lambda self, problem: 500 if problem.http == 400 else problem.http)
twin("an empty body counts as {}", "ERR-003", parse=parses(lambda body: body or b"{}"))
twin("what follows the JSON value is ignored", "ERR-003", parse=parses(lambda body: json.dumps(json.JSONDecoder().raw_decode(body.decode())[0]).encode()))
twin("NaN is read as JSON", "ERR-003", parse=lax_but("NaN"))
twin("Infinity is read as JSON", "ERR-003", parse=lax_but("Infinity"))
twin("bytes that are not UTF-8 are replaced", "ERR-003", parse=parses(lambda body: body.decode("utf-8", "replace").encode()))
twin("UTF-16 is read", "ERR-003", parse=parses(lambda body: body.decode("utf-16").encode()))
twin("a comma after the last member is read", "ERR-003", parse=parses(lambda body: re.sub(rb",\s*([}\]])", rb"\1", body)))
twin("single quotes are read", "ERR-003", parse=parses(lambda body: body.replace(b"'", b'"')))
twin("comments are read", "ERR-003", parse=parses(lambda body: re.sub(rb"/\*.*?\*/|//[^\n]*", b"", body)))
twin("a missing closing brace is added", "ERR-003", parse=parses(lambda body: body + b"}"))

# OPS-ERR-004, "A request that breaks the schema is 422 with a JSON pointer."
twin("a broken schema is 400", "ERR-004", status=lambda self, problem: 400 if problem.fields["code"] == "F-22" else problem.http)
twin("no pointer", "ERR-004", error=pointed(lambda error: without(error, "pointer")))
twin("the pointer is a dotted path", "ERR-004", error=pointed(lambda error: {**error, "pointer": error["pointer"].strip("/").replace("/", ".")}))
twin("the pointer is always the whole body", "ERR-004", error=pointed(lambda error: {**error, "pointer": ""}))
twin("the pointer is a URI fragment", "ERR-004", error=pointed(lambda error: {**error, "pointer": f"#{error['pointer']}"}))
twin("inputs of null are {}", "ERR-004", judge=lenient(inputs=lambda value: value if value is not None else {}))
twin("inputs of [] are {}", "ERR-004", judge=lenient(inputs=lambda value: value if value != [] else {}))
twin("options of null are {}", "ERR-004", judge=lenient(options=lambda value: value if value is not None else {}))
twin("upstream of null is {}", "ERR-004", judge=lenient(upstream=lambda value: value if value is not None else {}))
twin("upstream of [] is {}", "ERR-004", judge=lenient(upstream=lambda value: value if value != [] else {}))
twin("a seed of null is 0", "ERR-004", "ERR-005", judge=of_option("seed", lambda value: value if value is not None else 0))
twin("a seed of 2^31 is served", "ERR-004", judge=of_option("seed", lambda value: value % 2**31 if value == 2**31 else value))
twin("a seed below 0 is served", "ERR-004", judge=of_option("seed", lambda value: abs(value) if type(value) is int else value))
twin("a deadline of 0 means none", "ERR-004", judge=of_option("deadline_s", lambda value: value or None))
twin("a deadline below 0 means none", "ERR-004", judge=of_option("deadline_s", lambda value: None if type(value) in {int, float} and value < 0 else value))
twin("scenario_id may be left out", "ERR-004", judge=lambda self, call: REQUEST({"scenario_id": "x", **call} if isinstance(call, dict) else call, ""))
twin("scenario_id may be empty", "ERR-004", judge=lenient(scenario_id=lambda value: value or "x" if value == "" else value))
twin("scenario_id has no bound", "ERR-004", judge=lenient(scenario_id=lambda value: value[:200] if isinstance(value, str) else value))
twin("scenario_id may be a number", "ERR-005", "ERR-004", judge=lenient(scenario_id=lambda value: str(value) if type(value) is int else value))
twin("a step's module may be left out", "ERR-004", judge=of_step(lambda step: {"module": "x", **step} if isinstance(step, dict) else step))
twin("a step's outputs may be left out", "ERR-004", judge=of_step(lambda step: {"outputs": {}, **step} if isinstance(step, dict) else step))
twin("a step's artifacts are not judged", "ERR-004", judge=of_step(lambda step: without(step, "artifacts") if isinstance(step, dict) else step))
twin("a step's evidence is not judged", "ERR-004", judge=of_step(lambda step: without(step, "evidence") if isinstance(step, dict) else step))
twin("step ids are not judged", "ERR-004", judge=lenient(upstream=lambda steps: {f"s{number}": one for number, one in enumerate(steps.values())} if isinstance(steps, dict) else steps))
twin("a line end may follow an identifier", "ERR-004", "PTH-001", judge=lenient(run_id=lambda value: value.removesuffix("\n") if isinstance(value, str) else value))

# OPS-ERR-005, "Nothing is coerced."
twin('the seed "1" is 1', "ERR-005", judge=of_option("seed", numeral))
twin("the seed true is 1", "ERR-005", judge=of_option("seed", lambda value: int(value) if isinstance(value, bool) else value))
twin("the seed 1.5 is 1", "ERR-005", judge=of_option("seed", lambda value: int(value) if type(value) is float else value))
twin('the deadline "5" is 5', "ERR-005", judge=of_option("deadline_s", numeral))
twin("the deadline true is 1", "ERR-005", judge=of_option("deadline_s", lambda value: int(value) if isinstance(value, bool) else value))
twin("an action in an array is the action", "ERR-005", "ERR-004", judge=lenient(action=lambda value: value[0] if isinstance(value, list) and value else value))
twin("the version 1.0 as a number is the version", "ERR-005", "ERR-004", judge=lenient(contract_version=lambda value: str(value) if type(value) is float else value))

# OPS-ERR-006, "Client input never causes a 5xx."
twin("options of null fail", "ERR-006", judge=lambda self, call: (call["options"].get("seed") if isinstance(call, dict) and "options" in call else 0, Module.judge(self, call)))
twin("an action of null fails", "ERR-006", judge=lambda self, call: (call["action"].strip() if isinstance(call, dict) and "action" in call else 0, Module.judge(self, call)))
twin("a body that is no object fails", "ERR-006", judge_version=lambda self, call: (call.get("x"), Module.judge_version(self, call)))
twin("a step without outputs fails", "ERR-006", judge=lambda self, call: ([step["outputs"] for step in call["upstream"].values()] if isinstance(call, dict) and isinstance(call.get("upstream"), dict) else 0, Module.judge(self, call)))
twin("half of a surrogate pair fails", "ERR-006", parse=lambda self, body: json.dumps(json.loads(body), ensure_ascii=False).encode() and parsed(body) if b"\\ud" in body else parsed(body))
twin("nesting of a thousand levels fails", "ERR-006", "LIM-001", parse=lambda self, body: 1 / 0 if body.count(b"[[") > 400 or body.count(b"{") > 900 else parsed(body))

# OPS-ERR-011, "a module SHOULD refuse ... with 400"
twin("duplicate keys are read", "ERR-011", parse=parses(lambda body: json.dumps(json.loads(body.decode())).encode()))
twin("an integer of 2^53 is read", "ERR-011", parse=lax_but("900719925474099[2-9]|[0-9]{17}"))
twin("half of a surrogate pair is read", "ERR-011", parse=lax_but(r"\\\\ud[89a-f]"))
twin("a byte order mark is skipped", "ERR-011", parse=parses(lambda body: body.removeprefix(b"\xef\xbb\xbf")))
twin("a number beyond a double is read", "ERR-011", parse=lax_but("[eE][+]?[0-9]{3}"))

# OPS-FWD-001, "Unknown fields are ignored, at every level."
twin("an unknown field is refused", "FWD-001", judge=refuses(lambda call: unknown(call, CALL), ""))
twin("an unknown option is refused", "FWD-001", judge=refuses(lambda call: unknown(call.get("options", {}), "seed deadline_s"), "/options"))
twin("an unknown field of a step is refused", "FWD-001", judge=refuses(lambda call: any(unknown(step, "module outputs artifacts evidence") for step in call.get("upstream", {}).values()), "/upstream"))
twin("an unknown field of a step's artifact is refused", "FWD-001", judge=refuses(lambda call: any(unknown(one, "name media_type size_bytes sha256") for step in call.get("upstream", {}).values() for one in step.get("artifacts", [])), "/upstream"))
twin("an unknown field changes the result", "FWD-001", seed=lambda self, call: Module.seed(self, call) + unknown(call, CALL))

# OPS-FWD-002, "A request with earlier steps in upstream is served."
twin("earlier steps are refused", "FWD-002", judge=refuses(lambda call: call.get("upstream"), "/upstream"))
twin("two earlier steps are refused", "FWD-002", judge=refuses(lambda call: len(call.get("upstream", {})) > 1, "/upstream"))
twin("an earlier step of an unknown module fails", "FWD-002", judge=refuses(lambda call: any(step["module"] not in {"tolls", "policy-simulator", "data-layer"} for step in call.get("upstream", {}).values()), "/upstream"))
twin("null in a step's evidence is refused", "FWD-002", judge=refuses(lambda call: any(None in one.values() for step in call.get("upstream", {}).values() for one in step.get("evidence", [])), "/upstream"))

# OPS-FWD-003, "What the schema allows is served up to its bounds."
twin("ids have 64 characters at most", "FWD-003", judge=refuses(lambda call: max(len(call["run_id"]), len(call["step_id"])) > 64, "/run_id"))
twin("ids are in lower case", "FWD-003", judge=refuses(lambda call: call["run_id"] != call["run_id"].lower(), "/run_id"))
twin("ids have no dot", "FWD-003", judge=refuses(lambda call: "." in call["run_id"] + call["step_id"], "/run_id"))
twin("scenario_id is counted in UTF-16", "FWD-003", judge=refuses(lambda call: len(call["scenario_id"].encode("utf-16-le")) > 400, "/scenario_id"))
twin("scenario_id is plain text in ASCII", "FWD-003", judge=refuses(lambda call: not call["scenario_id"].isascii(), "/scenario_id"))
twin("the seed 42.0 is refused", "FWD-003", judge=refuses(lambda call: type(call.get("options", {}).get("seed", 0)) is float, "/options/seed"))
twin("a charset is refused", "FWD-003", judge_media_type=lambda self: Module.judge_media_type(self) if ";" not in self.headers["Content-Type"] else Module.judge_media_type(type("no", (), {"headers": {}})))
twin("a deadline of null is refused", "FWD-003", judge=refuses(lambda call: call.get("options", {}).get("deadline_s", 1) is None, "/options/deadline_s"))
twin("the deadline is read in milliseconds", "FWD-003", "LIM-002", "EXE-001", deadline=lambda self, call: (Module.deadline(self, call) or 10**9) / 1000)

# OPS-PTH-001, "refuses with 4xx what the schema refuses (../x, a NUL, 300 characters)"
for field in ("run_id", "step_id"):
    twin(f"{field} is not judged", "PTH-001", judge=lenient(**{field: lambda value: re.sub("[^A-Za-z0-9]", "x", value)[:128] if isinstance(value, str) else value}))
    twin(f"{field} has no bound", "PTH-001", judge=lenient(**{field: lambda value: value[:128] if isinstance(value, str) else value}))
    twin(f"{field} may hold a NUL", "PTH-001", judge=lenient(**{field: lambda value: value.replace("\0", "") if isinstance(value, str) else value}))

# OPS-VER-001, -002, "A module serves every minor of a major that it serves ... A major that it does not serve is refused."
twin("version 2.0 is served", "VER-001", serves=lambda self, version: version.split(".")[0] in {"1", "2"})
twin("version 0.9 is served", "VER-001", serves=lambda self, version: version.split(".")[0] in {"1", "0"})
twin("version 10.0 is served as 1.0 is", "VER-001", serves=lambda self, version: version.startswith("1"))
twin("every version is served", "VER-001", serves=lambda self, version: True)
twin("version 1.1 is refused", "VER-002", serves=lambda self, version: version == "1.0")
twin("version 1.10 is refused", "VER-002", serves=lambda self, version: bool(re.fullmatch("1[.][0-9]", version)))
twin("the supported versions are not told", "VER-001", unsupported=lambda self, version: refuse(Problem(422, "UNSUPPORTED", "this version is not served", "/contract_version")))
twin("the version is judged last", "VER-001", judge_version=lambda self, call: None, judge=lambda self, call: (Module.judge(self, call), Module.judge_version(self, call)))

# OPS-EXE-005, "An unknown action is an error envelope that lists the known ones."
twin("an unknown action is served", "EXE-005", judge_action=lambda self, action: None)
twin("the known actions are not told", "EXE-005", judge_action=lambda self, action: None if action in self.actions else refuse(Problem(422, "UNKNOWN_ACTION", "the action is not known", "/action")))
twin("the unknown action is told in place of the known", "EXE-005", judge_action=lambda self, action: None if action in self.actions else refuse(Problem(422, "UNKNOWN_ACTION", f"cannot execute {action}", "/action", details={"known_actions": [action]})))

# OPS-ERR-010, OPS-LIM-003
twin("text/plain is read as JSON", "ERR-010", judge_media_type=lambda self: None)
twin("a wrong method is 404", "ERR-010", not_allowed=lambda self: (self.read(), self.refuse(Problem(404, "NOT_FOUND", "nothing is served here"))))
twin("405 without Allow", "ERR-010", not_allowed=lambda self: (self.read(), self.refuse(Problem(405, "METHOD_NOT_ALLOWED", "the method is not served"))))
twin("a body that is too large is 400", "LIM-003", too_large=lambda self: refuse(Problem(400, "TOO_LARGE", "the body is too large")))
twin("a body that is too large fails", "ERR-006", "LIM-003", too_large=lambda self: 1 / 0)
twin("many keys take more than 5 s", "LIM-001", parse=lambda self, body: (body.count(b":") > 50_000 and time.sleep(6), parsed(body))[1])
