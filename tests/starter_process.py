"""Modules as `ops-contract init` writes them, as processes."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from local_service import HTTP, service

from ops_contract.compliance.starter import start_module

START: Final = {"node": ("node", "module.mjs"), "python": ("python", "module.py")}


def needs(language: str) -> None:
    """Skip the test where the language cannot be run, unless CI runs it."""
    if shutil.which(START[language][0]) is None:
        assert os.environ.get("CI") != "true", f"{language} is missing, and CI must not skip its module; see .ci/install"
        pytest.skip(f"{language} is missing; install it to try the module that is written in it")


@contextmanager
def starter(folder: Path, language: str) -> Iterator[str]:
    """The address of a starter that is written into `folder` and named like it."""
    start_module(folder, language, None)
    with service(folder, *START[language], OPS_PORT="0") as (_, address):
        yield address


def good_request(**changes: Any) -> dict[str, Any]:
    """A valid body of a new call; `changes` replace fields, `...` removes one."""
    sent = {
        "contract_version": "1.0",
        "run_id": f"run_{os.urandom(6).hex()}",
        "step_id": "s1",
        "scenario_id": "starters",
        "action": "execute",
        "inputs": {"country": "DR", "time_horizon_years": 3, "policy_parameters": {"vat_rate": 0.18}},
        **changes,
    }
    return {name: value for name, value in sent.items() if value is not ...}


def post(url: str, body: Any) -> httpx2.Response:
    """Send `body` to /execute; bytes go as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HTTP.post(f"{url}/execute", content=content, headers={"Content-Type": "application/json"})
