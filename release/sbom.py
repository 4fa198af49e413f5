"""Writes a software bill of materials (CycloneDX 1.6, JSON) for each package and for images: `make sbom`.

    python release/sbom.py FOLDER [IMAGE...]

That of a package lists what uv.lock pins for it, with all extras. That of an image lists what is inside: the packages of
Python with their licences, the interpreter, and the packages of Debian.
"""

import json
import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from licences import Rules, licence_of, rules
from locked import PACKAGES, bill_of, project

IN_IMAGE: Final = """
import importlib.metadata, json, platform, re, subprocess
listed = subprocess.run(["dpkg-query", "--show", "--showformat", "${Package}\\t${Version}\\t${Architecture}\\n"],
                        capture_output=True, text=True, check=True).stdout
print(json.dumps({
    "python": platform.python_version(),
    "distributions": sorted((re.sub("[-_.]+", "-", found.name).lower(), found.version)
                            for found in importlib.metadata.distributions()),
    "debian": [line.split("\\t") for line in listed.splitlines()],
    "release": platform.freedesktop_os_release()["VERSION_ID"],
}))
"""
_LABEL: Final = "org.opencontainers.image."


def main() -> int:
    """Write the documents; returns the exit code."""
    folder, *images = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    known = rules()
    for package in PACKAGES:
        version = project(package)["version"]
        _write(Path(folder) / f"openpolicystack_{package}-{version}.cdx.json", of_package(package, known))
    for image in images:
        name = image.rpartition("/")[2].replace(":", "-")
        _write(Path(folder) / f"{name}.image.cdx.json", of_image(image, known))
    return 0


def of_package(package: str, known: Rules) -> dict[str, Any]:
    """The bill of a package: what uv exports, with purls of our own packages and with licences."""
    exported = bill_of(package)
    root = exported["metadata"]["component"]
    root.pop("properties", None)
    for component in (root, *exported["components"]):
        component["purl"] = f"pkg:pypi/{component['name']}@{component['version']}"
        component.update(_licences(component["name"], known))
    return _document(root, exported["components"], exported.get("dependencies", []))


def of_image(image: str, known: Rules) -> dict[str, Any]:
    """The bill of an image that the engine has."""
    inspected = json.loads(_docker("image", "inspect", image))[0]
    labels = inspected["Config"]["Labels"] or {}
    inside = json.loads(_docker("run", "--rm", "--network=none", "--entrypoint", "python", image, "-c", IN_IMAGE))
    root = {
        "type": "container",
        "bom-ref": "image",
        "name": image.rpartition(":")[0] or image,
        "version": labels.get(f"{_LABEL}version", ""),
        "hashes": [{"alg": "SHA-256", "content": inspected["Id"].removeprefix("sha256:")}],
        "properties": [{"name": name, "value": text} for name, text in sorted(labels.items()) if text],
    }
    python = inside["python"]
    components = [_component("application", f"pkg:generic/python@{python}", "python", python) | _expression("PSF-2.0")]
    for name, version in inside["distributions"]:
        components.append(_component("library", f"pkg:pypi/{name}@{version}", name, version) | _licences(name, known))
    for name, version, architecture in inside["debian"]:
        purl = f"pkg:deb/debian/{name}@{quote(version, safe='')}?arch={architecture}&distro=debian-{inside['release']}"
        components.append(_component("library", purl, name, version))
    every = [{"ref": "image", "dependsOn": sorted(component["bom-ref"] for component in components)}]
    return _document(root, components, every)


def _component(kind: str, purl: str, name: str, version: str) -> dict[str, Any]:
    return {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _licences(name: str, known: Rules) -> dict[str, Any]:
    if name.startswith("openpolicystack-"):
        return _expression("EUPL-1.2")
    found = licence_of(name, known)
    return _expression(found) if found else {}


def _expression(text: str) -> dict[str, Any]:
    """One licence by its id, several as an expression, as the standard wants it."""
    if " " in text or text.startswith("LicenseRef-"):
        return {"licenses": [{"expression": text, "acknowledgement": "declared"}]}
    return {"licenses": [{"license": {"id": text, "acknowledgement": "declared"}}]}


def _document(root: dict[str, Any], components: list[dict[str, Any]], dependencies: list[dict[str, Any]]) -> dict[str, Any]:
    """A document whose number and time depend on its content and on SOURCE_DATE_EPOCH alone."""
    body = {"components": components, "dependencies": dependencies}
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([root, body], sort_keys=True))
    metadata: dict[str, Any] = {"component": root, "licenses": [{"license": {"id": "CC0-1.0"}}]}
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        metadata["timestamp"] = datetime.fromtimestamp(int(epoch), UTC).isoformat()
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{number}", "version": 1}
    return {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", **head, "metadata": metadata, **body}


def _docker(*words: str) -> str:
    ran = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"sbom: docker {words[0]} did not work: {ran.stderr.strip()}; build the image first, for example with make up")
    return ran.stdout


def _write(file: Path, document: dict[str, Any]) -> None:
    file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{file}: {len(document['components'])} components\n")


if __name__ == "__main__":
    sys.exit(main())
