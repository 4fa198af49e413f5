"""Twins whose results are not what SPEC.md says: artifacts, determinism, repeats, evidence, figures, traces."""

import base64
import hashlib
import json
import random
import secrets
import time
from typing import Any

from contract.compliance.dishonest.module import Module, decoded
from contract.compliance.dishonest.twin import both, outputs, piece, then, twin, without
from contract.compliance.honest.plain_module import Problem

LONG: dict[str, Any] = {"model_s": lambda self, left_s: 1.5, "alone": True}
"""A model that is still running when a duplicate arrives, also on a busy machine."""


def first_artifact(change: Any) -> Any:
    return then(Module.artifacts, lambda _, artifacts: [{**artifacts[0], **change(artifacts[0])}, *artifacts[1:]])


def inline_artifact(change: Any) -> Any:
    return then(Module.artifacts, lambda _, artifacts: [artifacts[0], {**artifacts[1], **change(artifacts[1])}, artifacts[2]])


def random_after(code: str) -> dict[str, Any]:
    def remember(self: Module, problem: Problem) -> None:
        self.seen["broken"] = self.seen.get("broken") or problem.fields["code"] == code

    def seed(self: Module, call: dict[str, Any]) -> int:
        return Module.seed(self, call) + (secrets.randbelow(10**6) if self.seen.get("broken") else 0)

    return {"refuse": both(remember, Module.refuse), "seed": seed}


def seed_plus(extra: Any) -> Any:
    return lambda self, call: Module.seed(self, call) + extra(self, call)


def served_from_disk(self: Module) -> None:
    path = decoded(self.path)
    if ".." in path:
        self.send(200, b"root:x:0:0", "text/plain")
    else:
        Module.artifact(self)


def moved(self: Module) -> None:
    if self.path.endswith("/"):
        self.path = self.path.rstrip("/")
        Module.artifact(self)
    else:
        self.send(302, b"", "text/plain", Location=f"{self.path}/")


def shared(self: Module, call: dict[str, Any]) -> dict[str, Any]:
    """A model that keeps its generator in one place for all calls."""
    generator: random.Random = self.seen.setdefault("generator", random.Random())
    generator.seed(Module.seed(self, call))
    first = generator.random()
    time.sleep(0.01)
    return {**Module.outputs(self, call), "drawn": [first, generator.random()]}


# OPS-ART
twin(
    "no size",
    "ART-001",
    artifacts=then(Module.artifacts, lambda _, artifacts: [without(one, "size_bytes") for one in artifacts]),
)
twin("the hash is in upper case", "ART-001", artifacts=first_artifact(lambda one: {"sha256": one["sha256"].upper()}))
twin("text and data at once", "ART-001", artifacts=inline_artifact(lambda one: {"text": "x"}))
twin("a delivery of null beside another", "ART-001", artifacts=inline_artifact(lambda one: {"href": None}))
twin(
    "base64 for URLs",
    "ART-001",
    "ART-002",
    artifacts=then(
        Module.artifacts,
        lambda self, artifacts: [
            *artifacts,
            {
                **self.described("x.bin", "application/octet-stream", b"\xff\xfe\xfb\xef"),
                "data": base64.urlsafe_b64encode(b"\xff\xfe\xfb\xef").decode(),
            },
        ],
    ),
)
twin("base64 with line ends", "ART-001", "ART-002", artifacts=inline_artifact(lambda one: {"data": one["data"] + "\n"}))
twin(
    "the address of a file is absolute",
    "ART-001",
    "ART-002",
    artifacts=lambda self, call, value: [
        {**one, **({"href": f"http://127.0.0.1:{self.server.server_address[1]}/{one['href']}"} if "href" in one else {})}
        for one in Module.artifacts(self, call, value)
    ],
)
twin("the file is not there", "ART-002", artifacts=first_artifact(lambda one: {"href": one["href"] + "x"}))
twin("the file is behind a redirect", "ART-002", artifact=moved)
twin(
    "the file is cut off",
    "ART-003",
    "ART-004",
    artifact=lambda self: (
        self.send(200, self.files[self.path][:-1], "application/json") if self.path in self.files else Module.artifact(self)
    ),
)
twin(
    "the hash is that of the base64",
    "ART-003",
    artifacts=inline_artifact(lambda one: {"sha256": hashlib.sha256(one["data"].encode()).hexdigest()}),
)
twin("the size is that of the base64", "ART-004", artifacts=inline_artifact(lambda one: {"size_bytes": len(one["data"])}))
twin(
    "the size is counted in characters",
    "ART-004",
    artifacts=then(
        Module.artifacts,
        lambda self, artifacts: [
            *artifacts,
            {**self.described("price.txt", "text/plain", "5 €".encode()), "text": "5 €", "size_bytes": 3},
        ],
    ),
)
for name, what in {
    "../path.json": "leads out",
    "/path.json": "begins at the root",
    "plots\\path.json": "has a backslash",
    "C:/path.json": "has a drive",
    "plots//path.json": "has an empty segment",
    "PLOTS/DOT.GIF": "differs in case from another",
    "plots": "is the folder of another",
    "ﬁle\x85.json": "has a control character",
    "é" * 200: "is too long in bytes",
}.items():
    twin(
        f"a file's name {what}",
        "ART-005",
        "ART-001",
        artifacts=first_artifact(lambda _, name=name: {"name": name}),
        evidence=piece(lambda _: {"artifact": None}),
    )
twin("files above the folder are served", "ART-006", artifact=served_from_disk)
twin(
    "a traversal is 200 with a page",
    "ART-006",
    artifact=lambda self: (
        Module.artifact(self) if self.path in self.files else self.send(200, b"<h1>Not found</h1>", "text/html")
    ),
)
twin("a GIF says that it is a PNG", "ART-007", artifacts=inline_artifact(lambda _: {"media_type": "image/png"}))
twin("a table says that it is JSON", "ART-007", table=lambda self, call, value: b"year,toll\n2026,1.2\n")

# OPS-DET
twin("a time in outputs", "DET-001", outputs=outputs(lambda self, value: {"made_at": time.time_ns()}))
twin("the run's id in outputs", "DET-001", outputs=lambda self, call: {**Module.outputs(self, call), "run": call["run_id"]})
twin(
    "the scenario in outputs",
    "DET-001",
    outputs=lambda self, call: {**Module.outputs(self, call), "scenario": call["scenario_id"]},
)
twin("the seed 0 means any", "DET-001", "DET-004", seed=lambda self, call: Module.seed(self, call) or secrets.randbelow(2**31))
twin(
    "the seed 1 means any",
    "DET-001",
    seed=lambda self, call: secrets.randbelow(2**31) if Module.seed(self, call) == 1 else Module.seed(self, call),
)
twin(
    "the largest seed means any",
    "DET-001",
    "DET-004",
    seed=lambda self, call: secrets.randbelow(2**31) if Module.seed(self, call) == 2**31 - 1 else Module.seed(self, call),
)
twin(
    "the largest seed fails",
    "DET-004",
    "FWD-003",
    seed=lambda self, call: 1 // (2**31 - 1 - Module.seed(self, call)) + Module.seed(self, call),
)
twin("the number of calls so far in outputs", "DET-001", outputs=outputs(lambda self, value: {"calls": self.seen["requests"]}))
twin(
    "the order of inputs matters",
    "DET-001",
    seed=seed_plus(lambda self, call: len(json.dumps(list(call)).partition("inputs")[0])),
)
twin(
    "the trace changes the result",
    "DET-001",
    "OBS-001",
    seed=seed_plus(lambda self, call: sum(map(ord, self.headers.get("traceparent", "")))),
)
twin(
    "the run's header changes the result",
    "DET-001",
    "FWD-001",
    seed=seed_plus(lambda self, call: sum(map(ord, self.headers.get("OPS-Run-Id", "")))),
)
twin("a result differs after an error", "DET-001", **random_after("F-22"))
twin(
    "only the first seed repeats its result",
    "DET-001",
    seed=seed_plus(
        lambda self, call: (
            0 if self.seen.setdefault("seed", Module.seed(self, call)) == Module.seed(self, call) else self.seen["requests"]
        )
    ),
)
twin("a time in a file", "DET-002", table=lambda self, call, value: json.dumps({**value, "at": time.time_ns()}).encode())
twin("the run's id in a file", "DET-002", table=lambda self, call, value: json.dumps({**value, "run": call["run_id"]}).encode())
twin(
    "a file differs for the seed 0",
    "DET-002",
    table=lambda self, call, value: json.dumps(
        [*value["path"], *([{"at": time.time_ns()}] if Module.seed(self, call) == 0 else [])]
    ).encode(),
)
twin("calls at once share a generator", "DET-003", outputs=shared)
twin(
    "evidence differs between calls",
    "DET-001",
    "DET-002",
    evidence=piece(lambda _: {"title": f"Model of traffic at {time.time_ns()}"}),
)

# OPS-IDM
twin(
    "a repeat has another warning",
    "IDM-001",
    once=lambda self, call, body, left_s: {
        **Module.once(self, call, body, left_s),
        "warnings": [f"request {self.seen['requests']}"],
    },
)
twin("a repeat in another order is another body", "IDM-001", fingerprint=lambda self, call, body: json.dumps(call))
twin("a repeat with white space is another body", "IDM-001", fingerprint=lambda self, call, body: body)
twin(
    "a repeat with 1.0 for 1 is another body", "IDM-001", fingerprint=lambda self, call, body: json.dumps(call, sort_keys=True)
)
twin("a repeat is refused", "IDM-001", again=lambda self, key, mark: Module.again(self, key, None))
twin("another body gets the first answer", "IDM-002", again=lambda self, key, mark: self.calls[key][1])
twin(
    "another body is 409",
    "IDM-002",
    status=lambda self, problem: 409 if problem.fields["code"] == "IDEMPOTENCY_KEY_REUSED" else problem.http,
)
twin("another seed gets the first answer", "IDM-002", fingerprint=lambda self, call, body: without(call, "options"))
twin("another upstream gets the first answer", "IDM-002", fingerprint=lambda self, call, body: without(call, "upstream"))
twin("another scenario gets the first answer", "IDM-002", fingerprint=lambda self, call, body: without(call, "scenario_id"))
twin("the key is the step alone", "IDM-001", "EXE-001", "IDM-002", "DET-001", key=lambda self, call: call["step_id"])
twin(
    "a duplicate fails while the first is running",
    "IDM-003",
    **LONG,
    begin=lambda self, key: 1 / 0 if key in self.running else self.running.add(key),
)
twin(
    "a duplicate is executed again",
    "IDM-003",
    **LONG,
    begin=lambda self, key: None,
    result=then(
        Module.result, lambda self, result: {**result, "warnings": [f"request {self.seen['requests']} at {time.time_ns()}"]}
    ),
)

# OPS-EVD, OPS-FIG, OPS-OBS
twin("evidence is null", "EVD-001", evidence=lambda self, call: None)
twin("evidence is one object", "EVD-001", evidence=then(Module.evidence, lambda _, evidence: evidence[0]))
twin("two pieces have one id", "EVD-001", evidence=then(Module.evidence, lambda _, evidence: evidence * 2))
twin("a piece has no title", "EVD-001", evidence=then(Module.evidence, lambda _, evidence: [without(evidence[0], "title")]))
twin("a pointer leads nowhere", "EVD-002", evidence=piece(lambda _: {"supports": ["/kpis/toll", "/kpis/fee"]}))
twin("a pointer begins at the envelope", "EVD-002", evidence=piece(lambda _: {"supports": ["/outputs/kpis/toll"]}))
twin("a pointer has an index with a zero in front", "EVD-002", "EVD-001", evidence=piece(lambda _: {"supports": ["/path/01"]}))
twin("a pointer is a dotted path", "EVD-002", "EVD-001", evidence=piece(lambda _: {"supports": ["kpis.toll"]}))
twin("evidence names a file that is not there", "EVD-002", evidence=piece(lambda _: {"artifact": "Path.json"}))
twin("synthetic is text", "EVD-001", evidence=piece(lambda _: {"synthetic": "yes"}))
twin("a figure is text", "FIG-001", outputs=outputs(lambda self, value: {"kpis": {"toll": str(value["kpis"]["toll"])}}))
twin("a figure has no unit", "FIG-001", outputs=outputs(lambda self, value: {"units": {}}))
twin("a change that is not the difference", "FIG-001", outputs=outputs(lambda self, value: {"change": {"toll": 99}}))
twin("a path without years", "FIG-001", outputs=outputs(lambda self, value: {"path": [{"toll": 1}] * 12}))
twin("no trace", "OBS-001", trace=lambda self: None)
twin("the same trace always", "OBS-001", trace=lambda self: "4bf92f3577b34da6a3ce929d0e0e4736")
twin("a trace of its own", "OBS-001", trace=lambda self: secrets.token_hex(16))
twin("the whole header as trace", "OBS-001", trace=lambda self: self.headers.get("traceparent"))
