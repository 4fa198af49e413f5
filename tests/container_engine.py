"""The Docker engine as the container tests use it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import docker as docker_sdk

PYTHON_IMAGE: Final = os.environ.get("PYTHON_IMAGE") or "python:3.13-slim-trixie"
SOME_UID: Final = 4242
"""Nobody's account on the host: files that containers write must belong to this user all the same."""


def engine_answers() -> bool:
    """Whether containers can be started here."""
    try:
        with engine() as client:
            client.ping()
    except docker_sdk.errors.DockerException:
        return False
    return True


@contextmanager
def engine() -> Iterator[docker_sdk.DockerClient]:
    """The engine's API."""
    client = docker_sdk.from_env()
    try:
        yield client
    finally:
        client.close()


def docker(*words: str) -> str:
    """What `docker WORDS` prints."""
    ran = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def build(tag: str, folder: Path, *options: str, **arguments: str) -> str:
    """Build an image with the base image and the CA of this machine; returns its tag."""
    arguments = {"PYTHON_IMAGE": PYTHON_IMAGE, **arguments}
    words = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    if bundle := os.environ.get("CA_BUNDLE"):
        words += ["--secret", f"id=ca_bundle,src={bundle}"]
    docker("build", "--quiet", "--tag", tag, *words, *options, str(folder))
    return tag


def wait_for_log(container: str, text: str) -> None:
    """Wait until a container has logged `text`; fails with its log when it ends without."""
    seen = []
    words = ["docker", "logs", "--follow", container]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as following:
        for line in following.stdout or ():
            seen.append(line)
            if text in line:
                following.kill()
                return
    raise AssertionError(f"{container} ended without {text!r}: {''.join(seen)}")


def own_by_some_user(folder: Path) -> Path:
    """Give `folder` to SOME_UID where we may; returns it."""
    if os.getuid() == 0:
        os.chown(folder, SOME_UID, SOME_UID)
    return folder


def published(container: str, port: int) -> str:
    """The address at which a container's port is reached."""
    return f"http://{docker('port', container, str(port)).splitlines()[0]}"
