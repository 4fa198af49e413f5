"""The validator of the Provenance Run Crate profile as its command, without a network."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, Final

import requests
from crate_contexts import CONTEXTS
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from urllib3 import HTTPResponse

_SERVER: Final = """
import contextlib, json, os, sys
from rocrate_validator.cli import cli
for line in sys.stdin:
    with contextlib.redirect_stdout(sys.stderr):
        try:
            code = cli(json.loads(line), standalone_mode=False)
        except SystemExit as ended:
            code = ended.code
    print(json.dumps(code), flush=True)
"""
"""The validator's own command, called again and again: to load it takes as long as to judge several crates."""


class Validator:
    """The validator in a process of its own; `cache` is a folder that gets the contexts of our crates."""

    def __init__(self, process: Popen[str], cache: Path) -> None:
        self._process, self._cache = process, cache

    def findings(self, crate: Path, level: str = "required", skipped: Sequence[str] = ()) -> list[str]:
        """What is wrong with the crate in the folder `crate`, as "check: message entity"; `skipped` checks are not made."""
        kept = self._cache / "found.json"
        kept.unlink(missing_ok=True)
        words = [
            *("--no-interactive", "--disable-color", "validate", "--no-paging", "--offline"),
            *("--cache-path", str(self._cache / "contexts"), "--profile-identifier", "provenance-run-crate-0.5"),
            *("--requirement-severity", level, "--output-format", "json", "--output-file", str(kept)),
            *(("--skip-checks", ",".join(skipped)) if skipped else ()),
        ]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([*words, str(crate)]) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline().strip() in ("0", "1", "null")
        found = json.loads(kept.read_bytes())
        issues = [f"{issue['check']['identifier']}: {issue['message']} {issue['violatingEntity']}" for issue in found["issues"]]
        assert found["passed"] == (not issues)
        return issues


@contextmanager
def validator(cache: Path) -> Iterator[Validator]:
    """The validator, until this is left."""
    fill(cache)
    with Popen([sys.executable, "-c", _SERVER], stdin=PIPE, stdout=PIPE, text=True) as process:
        try:
            yield Validator(process, cache)
        finally:
            process.kill()


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
