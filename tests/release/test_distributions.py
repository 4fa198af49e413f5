"""The packages as they are published: complete, of the sources alone, and the same bytes whoever builds them."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import HeaderParser
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Final

import pytest
from installed_packages import UV
from local_service import ROOT

pytestmark = pytest.mark.slow

PACKAGES: Final = ("contract", "harness", "orchestrator", "stubs")
every_package = pytest.mark.parametrize("package", PACKAGES)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Source distributions, and the wheels made of them."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([UV, "build", "--all-packages", "--out-dir", str(folder), "--quiet"], cwd=ROOT, check=True)
    return folder


def wheel(folder: Path, package: str) -> Path:
    (found,) = folder.glob(f"openpolicystack_{package}-*.whl")
    return found


def metadata(folder: Path, package: str) -> Message:
    with zipfile.ZipFile(wheel(folder, package)) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode())


def test_package_index_would_take_and_render_every_distribution(built: Path) -> None:
    distributions = sorted(str(path) for path in built.iterdir() if path.suffix in {".whl", ".gz"})
    assert len(distributions) == 2 * len(PACKAGES)
    words = [sys.executable, "-m", "twine", "check", "--strict", *distributions]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


@every_package
def test_wheel_says_whose_it_is_under_which_licence_and_where_it_comes_from(built: Path, package: str) -> None:
    fields = metadata(built, package)
    assert fields["License-Expression"] == "EUPL-1.2"
    assert "LICENSE" in fields.get_all("License-File", [])
    assert fields["Author"] == "OpenPolicyStack contributors"
    labels = {url.partition(", ")[0] for url in fields.get_all("Project-URL", [])}
    assert labels == {"Homepage", "Documentation", "Changelog", "Issues", "Source"}
    classifiers = set(fields.get_all("Classifier", []))
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13, 14)} <= classifiers
    assert "Typing :: Typed" in classifiers


@every_package
def test_wheel_holds_the_sources_and_nothing_else(built: Path, package: str) -> None:
    listed = subprocess.run(["git", "ls-files", "src"], cwd=ROOT / package, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(wheel(built, package)) as archive:
        held = {name for name in archive.namelist() if not name.endswith("/") and ".dist-info/" not in name}
    assert held == {line.removeprefix("src/") for line in listed.stdout.splitlines()}


@every_package
def test_packages_of_the_project_are_needed_in_exactly_the_version_that_they_were_released_in(
    built: Path, package: str
) -> None:
    fields = metadata(built, package)
    ours = [need for need in fields.get_all("Requires-Dist", []) if need.startswith("openpolicystack-")]
    assert {need.partition("==")[2] for need in ours} <= {fields["Version"]}


@every_package
def test_licence_in_the_package_is_that_of_the_project(package: str) -> None:
    assert (ROOT / package / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_texts_of_the_licences_of_swagger_ui_come_with_the_orchestrator(built: Path) -> None:
    """The package that brings Swagger UI leaves them out."""
    with zipfile.ZipFile(wheel(built, "orchestrator")) as archive:
        texts = {PurePosixPath(name).name: archive.read(name).decode() for name in archive.namelist() if "swagger-ui/" in name}
    script = files("fastapi_swagger.resources").joinpath("swagger-ui-bundle.js").read_text(encoding="utf-8")
    version = texts["README.md"].splitlines()[0].rpartition(" ")[2]
    assert f'PACKAGE_VERSION:"{version}"' in script, "fastapi-swagger brings another Swagger UI: take the texts of its version"
    assert "see swagger-ui-bundle.js.LICENSE.txt" in script
    assert "Apache License" in texts["LICENSE"]
    assert "SmartBear" in texts["NOTICE"]
    assert "MIT License" in texts["swagger-ui-bundle.js.LICENSE.txt"]


def test_every_build_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    """Built again of a copy, whose times, permissions and place are others, and the wheels without the step between."""
    copy = tmp_path / "copy"
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if name.startswith(PACKAGES) or name in {"pyproject.toml", "uv.lock"}:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
            (copy / name).chmod(0o600)
            os.utime(copy / name, (1_000_000_000, 1_000_000_000))
    again = tmp_path / "dist"
    for kind in ("--wheel", "--sdist"):
        subprocess.run([UV, "build", "--all-packages", kind, "--out-dir", str(again), "--quiet"], cwd=copy, check=True)
    made = {path.name: path.read_bytes() for path in again.iterdir() if path.suffix in {".whl", ".gz"}}
    assert [name for name, content in made.items() if (built / name).read_bytes() != content] == []
    assert len(made) == 2 * len(PACKAGES)


@every_package
def test_source_distribution_holds_no_tests_and_no_stray_files(built: Path, package: str) -> None:
    (found,) = built.glob(f"openpolicystack_{package}-*.tar.gz")
    with tarfile.open(found) as archive:
        tops = {PurePosixPath(name).parts[1] for name in archive.getnames() if "/" in name}
    expected = {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "src"}
    assert tops - {"pyproject.toml.orig", "third-party"} == expected
