"""A stub of the stack as a test stages it: failures, answers, and what it was asked."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from ops_harness.errors import HarnessError


@dataclass(frozen=True)
class Stub:
    """The stub `name`, which listens at `url` and has its admin API at `url`/__stub."""

    name: str
    url: str
    http: httpx2.Client

    def stage(self, faults: Iterable[str | dict[str, Any]] = (), violate: Iterable[str] = ()) -> None:
        """Let it fail from now on, in place of what was staged before. Raises HarnessError for what cannot be staged.

        `faults` are transport faults such as `status:code=503,first=2`, `violate` requirements of the contract such as
        OPS-ART-003; `ops-stubs faults` lists both.
        """
        answer = self.http.put(f"{self.url}/__stub/faults", json={"violate": list(violate), "faults": list(faults)})
        if answer.status_code != 200:
            raise HarnessError(f"{self.name}: {answer.json()['detail']}")

    def answer(
        self,
        outputs: Mapping[str, Any] | None = None,
        *,
        match: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """Answer from now on with `outputs`, before what was staged until now. Raises HarnessError for what cannot be staged.

        `inputs` says for which, such as `{"/country": "DR"}`; `match` has every other condition. The other fields of an answer
        are `artifacts`, `evidence`, `warnings`, `priority`, `scenario`, `when_state`, `then_state`, `name`, and in the place of
        `outputs` `status`, `headers`, `body`, `base64`. See docs/test-doubles.md.
        """
        staged = {"match": _matching(match, inputs), **fields} | ({} if outputs is None else {"outputs": dict(outputs)})
        answer = self.http.post(f"{self.url}/__stub/answers", json=staged)
        if answer.status_code != 200:
            raise HarnessError(f"{self.name}: {answer.json()['detail']}")

    def verify(
        self,
        *,
        match: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        times: int | None = None,
        at_least: int | None = None,
        at_most: int | None = None,
    ) -> int:
        """How many requests it got that match, at least one unless the test expects another number.

        Raises AssertionError that says what came instead, and HarnessError for a question that makes no sense.
        """
        limits = {"times": times, "at_least": at_least, "at_most": at_most}
        asked = {"match": _matching(match, inputs), **{name: number for name, number in limits.items() if number is not None}}
        answer = self.http.post(f"{self.url}/__stub/verify", json=asked)
        body = answer.json()
        if "count" not in body:
            raise HarnessError(f"{self.name}: {body['detail']}")
        if answer.status_code != 200:
            raise AssertionError(f"{self.name}: {body['detail']}")
        return int(body["count"])

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Its last 200 requests since the test began, the oldest first: method, path, headers, body, status."""
        answer = self.http.get(f"{self.url}/__stub/requests").raise_for_status()
        return list(answer.json()["requests"])

    @property
    def executed(self) -> list[dict[str, Any]]:
        """The bodies of its /execute requests, the oldest first. Raises HarnessError for one of over 64 KiB."""
        entries = [entry for entry in self.requests if entry["path"] == "/execute"]
        if cut := [entry["number"] for entry in entries if entry["body_truncated"]]:
            raise HarnessError(f"{self.name}: request {cut[0]} has over 64 KiB, of which the journal keeps the beginning only")
        return [json.loads(entry["body"]) for entry in entries]

    def reset(self) -> None:
        """Stage nothing, and forget the requests and kept answers."""
        self.http.post(f"{self.url}/__stub/reset").raise_for_status()


def _matching(match: Mapping[str, Any] | None, inputs: Mapping[str, Any] | None) -> dict[str, Any]:
    asked = dict(match or {})
    return asked if inputs is None else {**asked, "inputs": {**asked.get("inputs", {}), **inputs}}
