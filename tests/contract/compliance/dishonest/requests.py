"""Twins that accept what SPEC.md refuses, or refuse it in another way."""

import json
import re
from typing import Any

from contract.compliance.dishonest.module import Module
from contract.compliance.dishonest.twin import both, then, twin, without
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
        options=lambda options: (
            {**options, name: repair(options[name])} if isinstance(options, dict) and name in options else options
        )
    )


def of_step(repair: Any) -> Any:
    return lenient(
        upstream=lambda steps: {name: repair(one) for name, one in steps.items()} if isinstance(steps, dict) else steps
    )


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


def careless(use: Any) -> Any:
    """A judge that uses the body before it is judged."""
    return both(lambda _, call: use(call) if isinstance(call, dict) else None, Module.judge)


def pointed(change: Any) -> Any:
    return then(Module.error, lambda _, error: change(error) if error["code"] == "F-22" else error)


# OPS-ERR-003, "The body is not JSON as above: 400."
twin("malformed JSON is 422", "ERR-003", status=lambda self, problem: 422 if problem.http == 400 else problem.http)
twin("malformed JSON is 500", "ERR-003", "ERR-006", status=lambda self, problem: 500 if problem.http == 400 else problem.http)
twin("an empty body counts as {}", "ERR-003", parse=parses(lambda body: body or b"{}"))
twin(
    "what follows the JSON value is ignored",
    "ERR-003",
    parse=parses(lambda body: json.dumps(json.JSONDecoder().raw_decode(body.decode())[0]).encode()),
)
twin("NaN is read as JSON", "ERR-003", parse=lax_but("NaN"))
twin("Infinity is read as JSON", "ERR-003", parse=lax_but("Infinity"))
twin("a comma after the last member is read", "ERR-003", parse=parses(lambda body: re.sub(rb",\s*([}\]])", rb"\1", body)))
twin("single quotes are read", "ERR-003", parse=parses(lambda body: body.replace(b"'", b'"')))
twin("comments within a line are read", "ERR-003", parse=parses(lambda body: re.sub(rb"/\*.*?\*/", b"", body)))
twin("comments at the end of a line are read", "ERR-003", parse=parses(lambda body: re.sub(rb"//[^\n]*", b"", body)))
twin("a missing closing brace is added", "ERR-003", parse=parses(lambda body: body + b"}"))

# OPS-ERR-004, "A request that breaks the schema is 422 with a JSON pointer."
twin(
    "a broken schema is 400", "ERR-004", status=lambda self, problem: 400 if problem.fields["code"] == "F-22" else problem.http
)
twin("no pointer", "ERR-004", error=pointed(lambda error: without(error, "pointer")))
twin(
    "the pointer is a dotted path",
    "ERR-004",
    error=pointed(lambda error: {**error, "pointer": error["pointer"].strip("/").replace("/", ".")}),
)
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
twin(
    "a deadline below 0 means none",
    "ERR-004",
    judge=of_option("deadline_s", lambda value: None if type(value) in {int, float} and value < 0 else value),
)
twin(
    "scenario_id may be left out",
    "ERR-004",
    judge=lambda self, call: REQUEST({"scenario_id": "x", **call} if isinstance(call, dict) else call, ""),
)
twin("scenario_id may be empty", "ERR-004", judge=lenient(scenario_id=lambda value: value or "x" if value == "" else value))
twin(
    "scenario_id has no bound",
    "ERR-004",
    judge=lenient(scenario_id=lambda value: value[:200] if isinstance(value, str) else value),
)
twin(
    "scenario_id may be a number",
    "ERR-005",
    "ERR-004",
    judge=lenient(scenario_id=lambda value: str(value) if type(value) is int else value),
)
twin(
    "a step's module may be left out",
    "ERR-004",
    judge=of_step(lambda step: {"module": "x", **step} if isinstance(step, dict) else step),
)
twin(
    "a step's outputs may be left out",
    "ERR-004",
    judge=of_step(lambda step: {"outputs": {}, **step} if isinstance(step, dict) else step),
)
twin(
    "a step's artifacts are not judged",
    "ERR-004",
    judge=of_step(lambda step: without(step, "artifacts") if isinstance(step, dict) else step),
)
twin(
    "a step's evidence is not judged",
    "ERR-004",
    judge=of_step(lambda step: without(step, "evidence") if isinstance(step, dict) else step),
)
twin(
    "step ids are not judged",
    "ERR-004",
    judge=lenient(
        upstream=lambda steps: (
            {f"s{number}": one for number, one in enumerate(steps.values())} if isinstance(steps, dict) else steps
        )
    ),
)
twin(
    "a line end may follow an identifier",
    "ERR-004",
    "PTH-001",
    judge=lenient(run_id=lambda value: value.removesuffix("\n") if isinstance(value, str) else value),
)

# OPS-ERR-005, "Nothing is coerced."
twin('the seed "1" is 1', "ERR-005", judge=of_option("seed", numeral))
twin("the seed true is 1", "ERR-005", judge=of_option("seed", lambda value: int(value) if isinstance(value, bool) else value))
twin("the seed 1.5 is 1", "ERR-005", judge=of_option("seed", lambda value: int(value) if type(value) is float else value))
twin('the deadline "5" is 5', "ERR-005", judge=of_option("deadline_s", numeral))
twin(
    "the deadline true is 1",
    "ERR-005",
    judge=of_option("deadline_s", lambda value: int(value) if isinstance(value, bool) else value),
)
twin(
    "an action in an array is the action",
    "ERR-005",
    "ERR-004",
    judge=lenient(action=lambda value: value[0] if isinstance(value, list) and value else value),
)
twin(
    "the version 1.0 as a number is the version",
    "ERR-005",
    "ERR-004",
    judge=lenient(contract_version=lambda value: str(value) if type(value) is float else value),
)

# OPS-ERR-006, "Client input never causes a 5xx."
twin("options of null fail", "ERR-006", judge=careless(lambda call: call.get("options", {}).get("seed")))
twin("an action of null fails", "ERR-006", judge=careless(lambda call: call.get("action", "").strip()))
twin("a body that is no object fails", "ERR-006", judge_version=both(lambda _, call: call.get("x"), Module.judge_version))
twin(
    "a step without outputs fails",
    "ERR-006",
    judge=careless(lambda call: [step["outputs"] for step in call.get("upstream", {}).values()]),
)
twin(
    "half of a surrogate pair fails",
    "ERR-006",
    parse=lambda self, body: (
        json.dumps(json.loads(body), ensure_ascii=False).encode() and parsed(body) if b"\\ud" in body.lower() else parsed(body)
    ),
)
twin(
    "nesting of a thousand levels fails",
    "ERR-006",
    "LIM-001",
    parse=lambda self, body: 1 / 0 if body.count(b"[[") > 400 or body.count(b"{") > 900 else parsed(body),
)

# OPS-ERR-011, "a module SHOULD refuse ... with 400"
twin("bytes that are not UTF-8 are replaced", "ERR-011", parse=parses(lambda body: body.decode("utf-8", "replace").encode()))
twin("duplicate keys are read", "ERR-011", parse=parses(lambda body: json.dumps(json.loads(body.decode())).encode()))
twin("an integer of 2^53 is read", "ERR-011", parse=lax_but("900719925474099[2-9]|[0-9]{17}"))
twin("half of a surrogate pair is read", "ERR-011", parse=lax_but(r"(?i)\\ud[89a-f]"))
twin("a byte order mark is skipped", "ERR-011", parse=parses(lambda body: body.removeprefix(b"\xef\xbb\xbf")))
twin("UTF-16 is read", "ERR-011", parse=parses(lambda body: body.decode("utf-16-le").encode()))
twin(
    "UTF-16 is read with a byte order mark",
    "ERR-011",
    parse=parses(lambda body: body.decode("utf-16").encode() if body.startswith(b"\xff\xfe") else body),
)
twin("a number beyond a double is read", "ERR-011", parse=lax_but("[eE][+]?[0-9]{3}"))

# OPS-PTH-001, "refuses with 4xx what the schema refuses (../x, a NUL, 300 characters)"
for field in ("run_id", "step_id"):
    twin(
        f"{field} is not judged",
        "PTH-001",
        judge=lenient(**{field: lambda value: re.sub("[^A-Za-z0-9]", "x", value)[:128] if isinstance(value, str) else value}),
    )
    twin(
        f"{field} has no bound",
        "PTH-001",
        judge=lenient(**{field: lambda value: value[:128] if isinstance(value, str) else value}),
    )
    twin(
        f"{field} may hold a NUL",
        "PTH-001",
        judge=lenient(**{field: lambda value: value.replace("\0", "") if isinstance(value, str) else value}),
    )
