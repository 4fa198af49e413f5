"""docs/operators-day.md, done as it stands there; commands print what it says."""

import sys
from pathlib import Path
from typing import Final

import pytest
from local_service import ROOT
from tutorial import blocks_of, free_ports, reader

# One reader does all of it, with dozens of commands: on a busy machine that takes long.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DOCUMENT: Final = (ROOT / "docs/operators-day.md").read_text(encoding="utf-8")

COMMANDS: Final = Path(sys.executable).parent

# The environment that runs this test stands for a new one: that the packages can be installed, docs/an-afternoon.md shows.
SHELL: Final = f"""
set -eo pipefail
pip() {{ :; }}
python3() {{ [ "$*" = "-m venv .venv" ]; mkdir -p .venv/bin; echo 'PATH={COMMANDS}:$PATH' >.venv/bin/activate; }}
[ ! -d .venv ] || . .venv/bin/activate
[ ! -f "$EXPORTED" ] || . "$EXPORTED"
trap 'export -p >"$EXPORTED"' EXIT
"""


def test_everything_in_the_tutorial_comes_to_what_it_says(tmp_path: Path) -> None:
    service, stubs = free_ports(2)
    # On the ports of the document, somebody else may listen.
    replaced = {
        "ops serve --host 0.0.0.0": f"ops serve --host 0.0.0.0 --port {service}",
        "ops-stubs serve": f"ops-stubs serve --port {stubs}",
        "8000": service,
        "8080": stubs,
    }
    (tmp_path / "clone").symlink_to(ROOT)
    given = {"EXPORTED": str(tmp_path / "exported"), "OPS_URL": f"http://127.0.0.1:{service}"}
    with reader(tmp_path, SHELL, **given) as reading:
        for block in blocks_of(DOCUMENT, replaced):
            reading.do(block)
