"""One good request per action: is the answer an envelope, and is everything in it as it should be?"""

import re
from collections.abc import AsyncGenerator
from typing import Any

from ops_contract import JsonError, SuccessEnvelope, parse_json, resolve_pointer
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, judged, met, problems_in

IDS = (
    "OPS-EXE-001",
    "OPS-EXE-002",
    "OPS-EXE-003",
    "OPS-EXE-004",
    "OPS-EXE-006",
    "OPS-EXE-007",
    "OPS-EVD-001",
    "OPS-EVD-002",
    "OPS-EVD-003",
    "OPS-OBS-001",
)

_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
# Parts of an envelope that requirements of their own speak of.
_ELSEWHERE = re.compile(r"/(module|outputs|evidence)(/|$)")
_ELSEWHERE_TOO = re.compile(r"/artifacts(/|$)")


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Ask for each action; the first that is wrong speaks for all."""
    answers = []
    for action in module.actions:
        traced = {"traceparent": f"00-{_TRACE}-00f067aa0ba902b7-01"}
        answers.append(Seen(await module.execute(module.request(action=action), headers=traced)))
    for check in (
        _envelope,
        _module,
        _outputs,
        _json,
        _media_type,
        _versions,
        _evidence,
        _pointers,
        _synthetic,
        _trace,
    ):
        found = [check(seen, module) for seen in answers]
        yield next((one for one in found if not one.met), found[0])


def _envelope(seen: Seen, module: ModuleUnderTest) -> Observation:
    expected = "200 with a success envelope that the schema accepts"
    if not seen.is_done:
        hint = "; if it needs other inputs, give them with --inputs" if seen.is_refusal else ""
        return judged("OPS-EXE-001", False, expected, f"{seen.told()}: {seen.error.get('message', '')}{hint}", seen)
    problems = [problem for problem in problems_in(SuccessEnvelope, seen.value) if not _is_elsewhere(problem.pointer, module)]
    return judged("OPS-EXE-001", not problems, expected, "; ".join(map(str, problems[:3])), seen)


def _is_elsewhere(pointer: str, module: ModuleUnderTest) -> bool:
    # Nothing else looks at the artifacts of a module that does not declare the profile.
    return bool(_ELSEWHERE.match(pointer) or ("artifacts" in module.profiles and _ELSEWHERE_TOO.match(pointer)))


def _module(seen: Seen, module: ModuleUnderTest) -> Observation:
    name = module.name
    said = seen.fields.get("module")
    return judged(
        "OPS-EXE-002", said is not None and said == name, f"module {name!r}, as /health says", f"module {said!r}", seen
    )


def _outputs(seen: Seen, _: ModuleUnderTest) -> Observation:
    outputs = seen.fields.get("outputs")
    said = "there is none" if "outputs" not in seen.fields else f"it is {type(outputs).__name__}"
    return judged("OPS-EXE-003", isinstance(outputs, dict), "outputs is an object", said, seen)


def _json(seen: Seen, _: ModuleUnderTest) -> Observation:
    try:
        parse_json(seen.exchange.body)
    except JsonError as error:
        return judged("OPS-EXE-004", False, "one strict JSON value in UTF-8", str(error), seen)
    return met("OPS-EXE-004", seen)


def _media_type(seen: Seen, _: ModuleUnderTest) -> Observation:
    said = seen.exchange.media_type
    return judged("OPS-EXE-006", said == "application/json", "Content-Type: application/json", repr(said), seen)


def _versions(seen: Seen, _: ModuleUnderTest) -> Observation:
    missing = [name for name in ("version", "contract_version") if not isinstance(seen.fields.get(name), str)]
    return judged("OPS-EXE-007", not missing, "version and contract_version", f"lacks {', '.join(missing)}", seen)


def _evidence(seen: Seen, _: ModuleUnderTest) -> Observation:
    expected = "an array of items with unique id, kind and title"
    evidence = seen.fields.get("evidence", [])
    problems = [str(problem) for problem in problems_in(SuccessEnvelope, seen.value) if problem.pointer.startswith("/evidence")]
    items = evidence if isinstance(evidence, list) else []
    ids = [item.get("id") for item in items if isinstance(item, dict)]
    problems += [f"the id {one!r} is used twice" for one in ids if ids.count(one) > 1]
    return judged("OPS-EVD-001", not problems, expected, "; ".join(problems[:3]), seen)


def _pointers(seen: Seen, _: ModuleUnderTest) -> Observation:
    names = [artifact.get("name") for artifact in _objects(seen, "artifacts")]
    wrong = []
    for item in _objects(seen, "evidence"):
        if item.get("artifact") is not None and item["artifact"] not in names:
            wrong.append(f"no artifact is named {item['artifact']!r}")
        supports = item.get("supports")
        for pointer in supports if isinstance(supports, list) else ():
            try:
                resolve_pointer(seen.fields.get("outputs"), str(pointer))
            except LookupError:
                wrong.append(f"{pointer!r} leads nowhere in outputs")
    return judged("OPS-EVD-002", not wrong, "pointers and artifacts that are there", "; ".join(wrong[:3]), seen)


def _synthetic(seen: Seen, _: ModuleUnderTest) -> Observation:
    silent = [item.get("id") for item in _objects(seen, "evidence") if not isinstance(item.get("synthetic"), bool)]
    return judged("OPS-EVD-003", not silent, "synthetic true or false in each piece of evidence", f"not in {silent}", seen)


def _trace(seen: Seen, _: ModuleUnderTest) -> Observation:
    meta = seen.fields.get("meta")
    said = meta.get("trace_id") if isinstance(meta, dict) else None
    return judged("OPS-OBS-001", said == _TRACE, f"meta.trace_id {_TRACE}", repr(said), seen)


def _objects(seen: Seen, name: str) -> list[dict[str, Any]]:
    items = seen.fields.get(name)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
