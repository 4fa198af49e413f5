"""docs/past-one-machine.md, done as it stands there, over a real PostgreSQL and SeaweedFS; commands print what it says."""

import sys
from pathlib import Path
from typing import Final

import pytest
from local_service import ROOT
from object_stores import seaweedfs_line
from postgres import postgres
from tutorial import blocks_of, free_ports, reader

# One reader does all of it, with dozens of commands: on a busy machine that takes long.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DOCUMENT: Final = (ROOT / "docs/past-one-machine.md").read_text(encoding="utf-8")
PORTS: Final = ("8000", "8080", "8002", "8003")

COMMANDS: Final = Path(sys.executable).parent

# The environment that runs this test stands for a new one: that the packages can be installed, docs/an-afternoon.md shows. Who
# runs it is the superuser of the database.
SHELL: Final = f"""
set -eo pipefail
pip() {{ :; }}
sudo() {{ [ "$1 $2" = "-u postgres" ]; shift 2; "$@"; }}
python3() {{ [ "$*" = "-m venv .venv" ]; mkdir -p .venv/bin; echo 'PATH={COMMANDS}:$PATH' >.venv/bin/activate; }}
[ ! -d .venv ] || . .venv/bin/activate
[ ! -f "$EXPORTED" ] || . "$EXPORTED"
trap 'export -p >"$EXPORTED"' EXIT
"""


def test_everything_in_the_tutorial_comes_to_what_it_says(tmp_path: Path) -> None:
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    weed, bucket = seaweedfs_line("bucket")
    url = f"http://127.0.0.1:{ports['8000']}"
    with postgres() as database:
        # On the ports of the document, somebody else may listen.
        replaced = {
            "ops serve": f"ops serve --port {ports['8000']}",
            "ops-stubs serve": f"ops-stubs serve --port {ports['8080']}",
            "weed server -dir=bucket -ip=127.0.0.1 -volume.port=8081 -filer -s3 -master.telemetry=false": " ".join(weed),
            "@127.0.0.1:5432/orchestrator": f"@/orchestrator?host={database.folder}",
            "8333": str(bucket),
            **ports,
        }
        given = {"EXPORTED": str(tmp_path / "exported"), "OPS_URL": url, "PGHOST": str(database.folder), "PGUSER": "ops"}
        with reader(tmp_path, SHELL, **given, PGDATABASE="postgres") as reading:
            for block in blocks_of(DOCUMENT, replaced):
                reading.do(block)
