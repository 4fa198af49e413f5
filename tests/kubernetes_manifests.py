"""What `kubectl apply -k` would send: the overlays of deploy/kubernetes, built by kustomize."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from local_service import ROOT
from needed_tool import needed_tool

OVERLAYS: Final = ("single", "cluster")
Manifest = dict[str, Any]


def built(folder: Path) -> tuple[Manifest, ...]:
    """All objects that the kustomization in a folder makes."""
    words = [needed_tool("kustomize", "kustomize"), "build", str(folder)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return tuple(yaml.safe_load_all(ran.stdout))


@cache
def manifests(overlay: str) -> tuple[Manifest, ...]:
    """All objects of an overlay."""
    return built(ROOT / "deploy/kubernetes" / overlay)


def of_kind(overlay: str, *kinds: str) -> list[Manifest]:
    """The objects of an overlay of these kinds."""
    return [each for each in manifests(overlay) if each["kind"] in kinds]


def pods(overlay: str) -> Iterator[tuple[str, Manifest]]:
    """The name of each Deployment and Job, and the pod that it makes."""
    for owner in of_kind(overlay, "Deployment", "Job"):
        yield owner["metadata"]["name"], owner["spec"]["template"]


def containers(overlay: str) -> Iterator[tuple[str, Manifest]]:
    """The name of each Deployment and Job, and its container."""
    for name, pod in pods(overlay):
        assert "initContainers" not in pod["spec"]
        (container,) = pod["spec"]["containers"]
        yield name, container


def configured(overlay: str, name: str) -> dict[str, str]:
    """What the ConfigMap holds whose name, without the hash of its content, is `name`."""
    (found,) = (each for each in of_kind(overlay, "ConfigMap") if each["metadata"]["name"].rpartition("-")[0] == name)
    data: dict[str, str] = found["data"]
    return data
