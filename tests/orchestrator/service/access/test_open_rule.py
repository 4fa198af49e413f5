"""Where `ops serve` starts without keys, and what it says where it does not."""

import json
from pathlib import Path
from subprocess import PIPE, STDOUT

import pytest
from api_keys import make_key
from command_line import ops
from local_service import HTTP, service, started
from scripted_module import modules_yaml

pytestmark = pytest.mark.slow

EVERYWHERE = "0.0.0.0"  # noqa: S104  # what is tested


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha"]))
    return tmp_path


def serve(home: Path, host: str, **variables: str) -> tuple[int, str]:
    ran = ops(home, "serve", "--host", host, "--port", "0", OPS_MODULES_FILE="modules.yaml", **variables)
    return ran.returncode, ran.stderr


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OPS_OPEN": "no"},
        {"OPS_WORKERS": "2"},
        # As Compose passes on where it publishes the service.
        {"OPS_OPEN": "8000"},
        {"OPS_OPEN": "0.0.0.0:8000"},
        {"OPS_OPEN": "192.0.2.1:8000"},
    ],
)
def test_service_that_others_may_reach_does_not_start_without_keys(home: Path, variables: dict[str, str]) -> None:
    code, said = serve(home, EVERYWHERE, **variables)
    assert code == 2
    assert said.startswith("ops: it is ")
    assert "make a key with `ops keys add NAME --scope run`" in said
    assert "OPS_OPEN=yes" in said


@pytest.mark.parametrize("host", ["::", ""])
def test_every_address_is_one_that_others_may_reach(home: Path, host: str) -> None:
    assert serve(home, host)[0] == 2


@pytest.mark.parametrize(
    ("host", "variables"),
    [
        ("localhost", {}),
        ("127.0.0.2", {}),
        (EVERYWHERE, {"OPS_OPEN": "yes"}),
        (EVERYWHERE, {"OPS_OPEN": "127.0.0.1:8000"}),
        (EVERYWHERE, {"OPS_OPEN": "[::1]:0"}),
    ],
)
def test_service_starts_without_keys_where_only_this_machine_reaches_it_or_where_that_is_wanted(
    home: Path, host: str, variables: dict[str, str]
) -> None:
    words = ("ops", "serve", "--host", host, "--port", "0")
    with started(home, *words, stdout=PIPE, stderr=STDOUT, **variables) as process:
        lines = []
        for line in map(json.loads, process.stdout or ()):
            lines.append(line["event"])
            if line["event"] == "service.listening":
                break
    assert lines == [*(["access.open"] if variables.get("OPS_OPEN") == "yes" else []), "service.listening"]


def test_service_with_keys_starts_anywhere_and_asks_for_them(home: Path) -> None:
    token = make_key(home / "keys.json", "anna", "read")
    with service(home, "ops", "serve", "--host", EVERYWHERE, "--port", "0", OPS_API_KEYS_FILE="keys.json") as (_, url):
        answers = [HTTP.get(f"{url}/runs", headers=headers) for headers in ({}, {"Authorization": f"Bearer {token}"})]
    assert [answer.status_code for answer in answers] == [401, 200]


def test_file_of_keys_that_is_missing_is_named_with_what_to_do(home: Path) -> None:
    code, said = serve(home, "127.0.0.1", OPS_API_KEYS_FILE="keys.json")
    assert (code, "make the first key with `ops keys add NAME --scope run`" in said) == (2, True)
