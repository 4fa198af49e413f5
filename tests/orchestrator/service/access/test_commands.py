"""`ops` against a service that asks for keys: OPS_API_KEY, and how a command ends without one that counts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from api_keys import make_key
from command_line import ops
from held_module import HeldModule, held_module
from local_service import service
from scripted_module import modules_yaml

pytestmark = pytest.mark.slow


class Home(NamedTuple):
    """A folder in which commands are run, the address of a service, and a key of it for each scope."""

    folder: Path
    url: str
    admin: str
    runner: str
    reader: str
    module: HeldModule

    def ops(self, key: str | None, *words: str, **variables: str) -> tuple[int, str, str]:
        """Run a command with a key; returns how it ended and what it printed."""
        given = {"OPS_API_KEY": key} if key else {}
        ran = ops(self.folder, *words, OPS_URL=self.url, **given, **variables)
        return ran.returncode, ran.stdout, ran.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("home")
    keys = folder / "keys.json"
    admin, runner, reader = (make_key(keys, scope, scope) for scope in ("admin", "run", "read"))
    (folder / "scenario.json").write_text(json.dumps({"scenario_id": "demo", "modules": ["alpha"]}))
    with held_module() as module:
        module.opened.set()
        (folder / "modules.yaml").write_text(
            modules_yaml(["alpha"], ready_timeout_s=30).replace("http://alpha.test", module.url)
        )
        with service(folder, "ops", "serve", "--port", "0", OPS_API_KEYS_FILE="keys.json") as (_, url):
            yield Home(folder, url, admin, runner, reader, module)


COMMANDS = (
    ("run", "scenario.json"),
    ("modules",),
    ("modules", "reload"),
    ("runs", "cancel", "latest"),
    ("runs", "resume", "latest"),
    ("runs", "logs", "latest", "--follow"),
    ("sweep", "cancel", "latest"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_command_without_a_key_that_counts_says_what_to_set(home: Home, words: tuple[str, ...]) -> None:
    for key, title in ((None, "A key is needed."), (f"{home.runner[:-2]}xx", "The key is not valid.")):
        code, out, err = home.ops(key, *words)
        assert (code, out) == (2, "")
        assert title in err
        assert "OPS_API_KEY" in err
        assert key is None or key not in err


def test_command_uses_the_key_of_its_environment_or_of_the_env_file(home: Home) -> None:
    assert home.ops(home.runner, "run", "scenario.json")[0] == 0
    env_file = home.folder / ".env"
    env_file.write_text(f"OPS_API_KEY={home.reader}\n")
    try:
        assert home.ops(None, "modules")[0] == 0
        code, _, err = home.ops(None, "run", "scenario.json")
    finally:
        env_file.unlink()
    assert (code, "This needs a key with the scope run" in err) == (2, True)


def test_command_that_changes_how_the_service_works_needs_the_key_of_an_admin(home: Home) -> None:
    assert home.ops(home.admin, "modules", "reload")[0] == 0
    code, _, err = home.ops(home.runner, "modules", "reload")
    assert (code, "This needs a key with the scope admin" in err) == (2, True)


def test_key_is_masked_where_settings_are_shown(home: Home) -> None:
    code, out, _ = home.ops(home.runner, "serve", "--show-settings")
    assert (code, json.loads(out)["api_key"], home.runner in out) == (0, "**********", False)
