"""What `ops up --with` reads, and what it tells Compose."""

from pathlib import Path

import pytest
import yaml
from command_line import ops

from ops_orchestrator.cli.swap import Swap, override, read_swap, variables
from ops_orchestrator.errors import ConfigurationError

MODULES = ("policy-simulator", "monitor")


def test_image_with_registry_and_digest_is_an_image() -> None:
    image = "registry.test:5000/team/sim@sha256:0123"
    assert read_swap(f"policy-simulator={image}", MODULES) == Swap("policy-simulator", image=image)


@pytest.mark.parametrize(
    ("given", "from_inside"),
    [
        ("http://localhost:9000", "http://host.docker.internal:9000"),
        ("http://127.0.0.1:9000/base", "http://host.docker.internal:9000/base"),
        ("http://[::1]:9000", "http://host.docker.internal:9000"),
        ("https://localhost", "https://host.docker.internal"),
        ("http://simulator.team.test:9000", "http://simulator.team.test:9000"),
    ],
)
def test_url_of_this_machine_is_one_that_a_container_reaches(given: str, from_inside: str) -> None:
    assert variables([read_swap(f"policy-simulator={given}", MODULES)]) == {"POLICY_SIMULATOR_URL": from_inside}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("policy-simulator", "write MODULE=IMAGE or MODULE=URL"),
        ("policy-simulator=", "names no image"),
        ("policy-simulatr=x", "did you mean"),
        ("monitor=ftp://x", "is not a base URL"),
    ],
)
def test_what_cannot_be_swapped_is_said_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_swap(text, MODULES)


def test_override_takes_the_image_and_nothing_of_the_stub_s_own() -> None:
    written = override([Swap("monitor", image='a"b:1'), Swap("policy-simulator", url="http://x")])
    services = yaml.safe_load(written.replace("!reset null", "reset"))["services"]
    assert services == {"monitor": {"image": 'a"b:1', "build": "reset", "command": "reset", "pull_policy": "missing"}}


def test_up_outside_of_a_checkout_says_where_to_go(tmp_path: Path) -> None:
    ran = ops(tmp_path, "up")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "there is no compose.yaml in" in ran.stderr
