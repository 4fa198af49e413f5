"""Writes the Compose file of the harness from that of the stack: `python harness/compose_file.py [--check]`.

The harness starts images that are there, so that it leaves out what builds them, and what the stack mounts and publishes.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[1]
SHIPPED: Final = ROOT / "harness/src/ops_harness/compose.yaml"
HEAD: Final = "# Made from the compose.yaml of the project by `make schemas`.\n"
IMAGES: Final = {
    "orchestrator": "${OPS_ORCHESTRATOR_IMAGE:-openpolicystack-orchestrator:dev}",
    "stub": "${OPS_STUBS_IMAGE:-openpolicystack-stubs:dev}",
}
LEFT_OUT: Final = ("build", "ports", "volumes", "restart")


def main() -> int:
    """Write the file, or with --check compare it; returns the exit code."""
    text = shipped(yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8")))
    if "--check" not in sys.argv[1:]:
        SHIPPED.write_text(text, encoding="utf-8")
    elif SHIPPED.read_text(encoding="utf-8") != text:
        sys.stderr.write(f"{SHIPPED.relative_to(ROOT)} is not up to date; run: make schemas\n")
        return 1
    return 0


def shipped(stack: dict[str, Any]) -> str:
    """The services of the stack that are always started, as the harness starts them."""
    services = {
        name: {key: value for key, value in service.items() if key not in LEFT_OUT} | {"image": image_of(name)}
        for name, service in stack["services"].items()
        if "profiles" not in service
    }
    without_aliases = json.loads(json.dumps(services))
    return HEAD + yaml.safe_dump({"services": without_aliases}, sort_keys=False, width=120)


def image_of(service: str) -> str:
    """Which image a service is started from."""
    return IMAGES.get(service, IMAGES["stub"])


if __name__ == "__main__":
    sys.exit(main())
