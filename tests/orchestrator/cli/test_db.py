"""`ops db`, and what is said of a database that cannot be used."""

import sys
from pathlib import Path
from subprocess import run

import pytest
from local_service import command, environment
from postgres import Postgres

pytestmark = pytest.mark.slow

# As if the extra were not installed.
WITHOUT = """
import sys

class Nothing:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("psycopg", "psycopg_pool", "procrastinate"):
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Nothing())
sys.argv = ["ops", *sys.argv[1:]]
from ops_orchestrator.cli.main import main
main()
"""


def ops(folder: Path, *words: str, **variables: str) -> tuple[int, str, str]:
    line = [command("ops"), *words]
    done = run(line, cwd=folder, env=environment(**variables), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_database_is_prepared_once_and_checked(tmp_path: Path, cluster: Postgres) -> None:
    url = cluster.database()
    code, _, told = ops(tmp_path, "db", "check", OPS_DATABASE_URL=url)
    assert (code, told) == (
        1,
        "ops: the database of OPS_DATABASE_URL has no tables of ours yet; `ops db upgrade` prepares it\n",
    )
    code, done, _ = ops(tmp_path, "db", "upgrade", OPS_DATABASE_URL=url)
    assert (code, done.splitlines()[-1]) == (0, "The database is ready.")
    assert ops(tmp_path, "db", "upgrade", OPS_DATABASE_URL=url)[1] == "The database is ready; nothing had to be done.\n"
    assert ops(tmp_path, "db", "check", OPS_DATABASE_URL=url) == (0, "The database is ready.\n", "")


@pytest.mark.parametrize("word", ["serve", "worker"])
def test_process_refuses_a_database_that_was_not_prepared(tmp_path: Path, cluster: Postgres, word: str) -> None:
    (tmp_path / "modules.yaml").write_text("modules: {alpha: {url: http://127.0.0.1:1}}")
    code, _, told = ops(tmp_path, word, "--port", "0", OPS_DATABASE_URL=cluster.database())
    assert (code, told.count("\n")) == (2, 1)
    assert "has no tables of ours yet; `ops db upgrade` prepares it" in told


@pytest.mark.parametrize(
    ("words", "variables", "expected"),
    [
        (("db", "check"), {}, "OPS_DATABASE_URL is not set"),
        (
            ("db", "check"),
            {"OPS_DATABASE_URL": "mysql://s3cret@x"},
            "OPS_DATABASE_URL must be an address such as postgresql://",
        ),
        *(
            (("db", "check"), {"OPS_DATABASE_URL": f"postgresql://ops:{secret}@127.0.0.1:1/ops"}, "%40 for @, %2F for /")
            for secret in ("pass@s3cret", "s3cret/pass", "s3cret#", "1?s3cret", "s3cret%")
        ),
        (("worker",), {}, "`ops worker` needs OPS_DATABASE_URL"),
        (("serve",), {"OPS_EMBEDDED_WORKERS": "0"}, "OPS_EMBEDDED_WORKERS=0 needs OPS_DATABASE_URL"),
    ],
    ids=str,
)
def test_what_is_missing_is_one_sentence(
    tmp_path: Path, words: tuple[str, ...], variables: dict[str, str], expected: str
) -> None:
    (tmp_path / "modules.yaml").write_text("modules: {alpha: {url: http://127.0.0.1:1}}")
    code, _, told = ops(tmp_path, *words, **variables)
    assert (code, told.count("\n")) == (2, 1)
    assert expected in told
    assert "s3cret" not in told


@pytest.mark.parametrize("words", [("db", "upgrade"), ("serve", "--port", "0"), ("worker",)], ids=str)
def test_missing_extra_is_named_with_the_command_that_installs_it(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "modules.yaml").write_text("modules: {alpha: {url: http://127.0.0.1:1}}")
    line = [sys.executable, "-c", WITHOUT, *words]
    variables = environment(OPS_DATABASE_URL="postgresql://ops@127.0.0.1:1/ops")
    done = run(line, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip install 'openpolicystack-orchestrator[cluster]'" in done.stderr


def test_service_without_a_database_imports_none_of_its_libraries(tmp_path: Path) -> None:
    (tmp_path / "modules.yaml").write_text("modules: {alpha: {url: http://127.0.0.1:1}}")
    code = """
import sys
from ops_orchestrator.service.app import create_service
from ops_orchestrator.settings import Settings
create_service(Settings())
print([name for name in ("psycopg", "psycopg_pool", "procrastinate") if name in sys.modules])
"""
    done = run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
