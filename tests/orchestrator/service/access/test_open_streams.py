"""Streams of events that are open when their key is taken away."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from api_keys import bearer, let_expire, make_key, revoke
from held_module import HeldModule, held_module
from local_service import HTTP, service
from scripted_module import modules_yaml

pytestmark = pytest.mark.slow

RUN: Final = {"scenario_id": "demo", "modules": ["alpha"]}


@pytest.fixture
def module() -> Iterator[HeldModule]:
    with held_module() as module:
        yield module


@pytest.mark.parametrize("end", [revoke, let_expire])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_stream_shows_nothing_more_to_who_has_lost_the_key(
    tmp_path: Path, module: HeldModule, workers: str, end: Callable[[Path, str], None]
) -> None:
    keys = tmp_path / "keys.json"
    anna, otto = bearer(make_key(keys, "anna")), bearer(make_key(keys, "otto"))
    (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha"]).replace("http://alpha.test", module.url))
    variables = {"OPS_API_KEYS_FILE": "keys.json", "OPS_WORKERS": workers}
    with service(tmp_path, "ops", "serve", "--port", "0", **variables) as (_, url):
        run = HTTP.post(f"{url}/plan_and_execute", json=RUN, headers=otto | {"Prefer": "respond-async"}).json()["run_id"]
        module.asked.get()
        with HTTP.stream("GET", f"{url}/runs/{run}/events", headers=anna) as stream:
            lines = stream.iter_lines()
            seen = next(line for line in lines if "module.ready" in line)
            end(keys, "anna")
            module.opened.set()
            rest = list(lines)
        theirs = HTTP.get(f"{url}/runs/{run}/events", headers=otto).text
    assert seen
    assert not [line for line in rest if "run.ended" in line]
    assert "run.ended" in theirs
