"""The container of a pod of the manifests, started as a node starts it: its user, its arguments, its variables, its mounts."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from container_engine import docker


@contextmanager
def started_pod(
    pod: Mapping[str, Any], image: str, network: str, folders: Mapping[str, Path], variables: Mapping[str, str]
) -> Iterator[str]:
    """The id of the container, which is removed at the end.

    `folders` has what is in the volumes that are not empty; `variables` is what ConfigMaps and Secrets give it.
    """
    (container,) = pod["spec"]["containers"]
    user = pod["spec"]["securityContext"]["runAsUser"]
    words = ["--detach", "--network", network, "--user", f"{user}:{user}", "--read-only"]
    words += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    for mount in container.get("volumeMounts", ()):
        folder, target = folders.get(mount["name"]), mount["mountPath"]
        words += ["--volume", f"{folder}:{target}:ro"] if folder else ["--tmpfs", f"{target}:uid={user},gid={user}"]
    given = {**variables, **{each["name"]: each["value"] for each in container.get("env", ())}}
    words += [word for variable, value in given.items() for word in ("--env", f"{variable}={value}")]
    started = docker("run", *words, image, *container["args"])
    try:
        yield started
    finally:
        docker("rm", "--force", "--volumes", started)
