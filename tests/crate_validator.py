"""The validator of the Provenance Run Crate profile as a command, without a network."""

import json
import subprocess
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import requests
from crate_contexts import CONTEXTS
from local_service import command
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from urllib3 import HTTPResponse


def findings(crate: Path, cache: Path, level: str = "required", skipped: Sequence[str] = ()) -> list[str]:
    """What the validator finds wrong with the crate in the folder `crate`, as "check: message entity".

    `cache` is a folder that has the contexts, see `fill`; `skipped` are checks that are not made.
    """
    words = [
        *("rocrate-validator", "--no-interactive", "--disable-color", "validate", "--no-paging", "--offline"),
        *("--cache-path", str(cache / "contexts"), "--profile-identifier", "provenance-run-crate-0.5"),
        *("--requirement-severity", level, "--output-format", "json", "--output-file", str(cache / "found.json")),
        *(("--skip-checks", ",".join(skipped)) if skipped else ()),
    ]
    ran = subprocess.run([command(words[0]), *words[1:], str(crate)], capture_output=True, text=True, check=False)
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    found = json.loads((cache / "found.json").read_bytes())
    issues = [f"{issue['check']['identifier']}: {issue['message']} {issue['violatingEntity']}" for issue in found["issues"]]
    assert found["passed"] == (not issues)
    return issues


def fill(cache: Path) -> None:
    """Put the contexts of our crates into the folder `cache`, as if they had been fetched before."""
    with CachedSession(str(cache / "contexts"), backend="sqlite") as session:
        session.mount("https://", _Published())
        for address in CONTEXTS:
            for accepted in ("*/*", "application/ld+json, application/json"):
                session.get(address, headers={"Accept": accepted})


class _Published(HTTPAdapter):
    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        body = BytesIO(json.dumps(CONTEXTS[str(request.url)]).encode())
        headers = {"Content-Type": "application/ld+json"}
        return self.build_response(request, HTTPResponse(body, headers, 200, preload_content=False))
