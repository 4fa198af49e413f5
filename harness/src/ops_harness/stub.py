"""A stub of the stack as a test stages it: failures, and what it was asked."""

import json
from collections.abc import Iterable
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
