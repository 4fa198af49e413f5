"""What each image is made of: labels, size, user, bytecode, and no tool that only builds need."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from bill_of_materials import wrong_in
from compose_stack import PROJECT_PREFIX
from container_engine import PYTHON_IMAGE, docker
from local_service import ROOT, environment

MOST_BYTES: Final = {"orchestrator": 250_000_000, "stubs": 350_000_000, "contract": 200_000_000}
BUILD_TOOLS: Final = ("pip", "pip3", "uv", "gcc", "cc", "g++", "make", "git")
NOT_COMPILED: Final = """
import importlib.util, pathlib, struct, sys, sysconfig
stale = []
for source in pathlib.Path(sys.argv[1] or sysconfig.get_path("stdlib")).rglob("*.py"):
    compiled = pathlib.Path(importlib.util.cache_from_source(str(source)))
    header = compiled.read_bytes()[4:16] if compiled.exists() else bytes(12)
    flags, modified, _ = struct.unpack("<III", header)
    if not compiled.exists() or (flags == 0 and modified != int(source.stat().st_mtime)):
        stale.append(str(source))
print(*stale, sep="\\n")
"""


@pytest.fixture(scope="module", params=("orchestrator", "stubs", "kit"))
def image(request: pytest.FixtureRequest) -> Iterator[str]:
    """The image of a target, as releases build it."""
    variables = environment(PYTHON_IMAGE=PYTHON_IMAGE, CA_BUNDLE=os.environ.get("CA_BUNDLE", ""))
    words = [str(ROOT / "release/build-image"), request.param, f"{PROJECT_PREFIX}{os.getpid()}", "shipped"]
    built = subprocess.run(words, capture_output=True, text=True, check=False, env=variables)
    assert built.returncode == 0, built.stderr
    tag = built.stdout.strip()
    yield tag
    docker("rmi", "--force", tag)


def inspected(image: str) -> Any:
    return json.loads(docker("image", "inspect", image))[0]


def inside(image: str, *words: str) -> str:
    """What a command prints in a container of the image, as a user without rights."""
    return docker("run", "--rm", "--read-only", "--user", "4242:4242", "--entrypoint", words[0], image, *words[1:])


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def test_labels_say_where_the_image_comes_from(image: str) -> None:
    labels = {
        name.removeprefix("org.opencontainers.image."): text for name, text in inspected(image)["Config"]["Labels"].items()
    }
    assert labels.pop("revision").removesuffix("-dirty") == git("rev-parse", "HEAD")
    base = json.loads(docker("image", "inspect", PYTHON_IMAGE))[0]
    assert labels.pop("base.digest") in {digest.rpartition("@")[2] for digest in base["RepoDigests"]} | {base["Id"]}
    version = inside(image, "python", "-c", "import importlib.metadata as m; print(m.version('openpolicystack-contract'))")
    assert labels.pop("title").startswith("OpenPolicyStack ")
    assert labels == {
        "base.name": PYTHON_IMAGE,
        "licenses": "EUPL-1.2",
        "source": "https://github.com/OpenPolicyStack/openpolicystack",
        "vendor": "OpenPolicyStack",
        "version": version,
    }


def test_image_is_dated_by_its_commit_and_not_by_its_build(image: str) -> None:
    created = datetime.fromisoformat(inspected(image)["Created"])
    assert created.timestamp() == int(git("log", "-1", "--format=%ct"))


def test_no_tool_that_only_builds_need_is_inside(image: str) -> None:
    found = inside(image, "sh", "-c", f"for tool in {' '.join(BUILD_TOOLS)}; do command -v $tool; done; true")
    assert found == ""
    modules = "import importlib.util as u; print([m for m in ('pip', 'setuptools', 'ensurepip') if u.find_spec(m)])"
    assert inside(image, "python", "-c", modules) == "[]"
    assert inside(image, "/usr/bin/env", "-i", "/opt/app/bin/python", "-c", modules) == "[]"


@pytest.mark.parametrize("folder", ["/opt/app/lib", ""], ids=["packages", "standard library"])
def test_bytecode_of_everything_is_there_since_a_container_could_not_keep_it(image: str, folder: str) -> None:
    assert inside(image, "python", "-c", NOT_COMPILED, folder) == ""


def test_licence_of_every_package_of_python_stays_in_the_image(image: str) -> None:
    texts = "import importlib.metadata as m; print([d.name for d in m.distributions() if d.name.startswith('openpolicystack') "
    texts += "and not d.read_text('licenses/LICENSE').startswith('EUROPEAN UNION PUBLIC LICENCE')])"
    assert inside(image, "python", "-c", texts) == "[]"
    assert "Copyright" in inside(image, "cat", "/usr/share/doc/libc6/copyright")


def test_image_starts_as_no_user_with_rights_unless_it_gives_them_up_itself(image: str) -> None:
    config = inspected(image)["Config"]
    if config["Entrypoint"] == ["as-owner-of-runs"]:
        return  # it becomes the owner of the runs: see test_orchestrator_image
    assert config["User"] == "10001:10001"


def test_image_is_light_to_pull(image: str) -> None:
    layers = docker("history", "--format", "{{.Size}} {{.CreatedBy}}", image)
    assert inspected(image)["Size"] < MOST_BYTES[image.partition("openpolicystack-")[2].partition(":")[0]], layers


def test_bill_of_materials_lists_what_is_inside(image: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "release/sbom.py"), str(tmp_path), image], capture_output=True, check=True)
    (bill,) = (json.loads(path.read_bytes()) for path in tmp_path.glob("*.image.cdx.json"))
    purls = {part["purl"].partition("?")[0].rpartition("@")[0] for part in bill["components"]}
    assert {"pkg:pypi/openpolicystack-contract", "pkg:pypi/pydantic", "pkg:deb/debian/libc6", "pkg:generic/python"} <= purls
    assert not purls & {"pkg:deb/debian/python3-pip", "pkg:pypi/pip", "pkg:pypi/pytest"}
    assert [part["name"] for part in bill["components"] if "/debian/" not in part["purl"] and "licenses" not in part] == []
    assert wrong_in(bill) == []
