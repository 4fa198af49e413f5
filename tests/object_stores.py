"""Object stores that tests start: moto, a stand-in for S3, and SeaweedFS, a store that people run."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import socket
from subprocess import DEVNULL
from typing import Any
from uuid import uuid4

import httpx2
import obstore
from local_service import HTTP, service, started
from obstore.store import S3Store

from ops_orchestrator.runs.store.objects.address import BucketAddress
from ops_orchestrator.settings import Settings

BUCKET = "policy-runs"
_KEYS: Any = {"access_key_id": "any", "secret_access_key": "any", "region": "us-east-1"}


@contextmanager
def moto_server(folder: Path) -> Iterator[str]:
    """moto in a process of its own; its address."""
    with service(folder, "moto_server", "--host", "127.0.0.1", "--port", "0") as (_, url):
        _make_bucket(url)
        yield url


@contextmanager
def seaweedfs_server(folder: Path) -> Iterator[str]:
    """SeaweedFS in a process of its own, with everything it needs; its address."""
    words, port = seaweedfs_line(str(folder))
    with started(folder, *words, stdout=DEVNULL, stderr=DEVNULL):
        url = f"http://127.0.0.1:{port}"
        _make_bucket(url)
        yield url


def seaweedfs_line(folder: str) -> tuple[list[str], int]:
    """The words that start a SeaweedFS on free ports, and the port of its S3 interface."""
    ports = dict(zip(("master", "volume", "filer", "s3"), _free_ports(8), strict=False))
    grpc = dict(zip(ports, _free_ports(8)[4:], strict=True))
    words = [f"-{name}.port={port}" for name, port in ports.items()]
    words += [f"-{name}.port.grpc={port}" for name, port in grpc.items()]
    words += [f"-dir={folder}", "-ip=127.0.0.1", "-filer=true", "-s3", "-master.volumeSizeLimitMB=64", "-volume.max=16"]
    # Several run side by side on one machine, and none tells anybody that it does.
    words += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    return ["weed", "server", *words], ports["s3"]


def new_prefix() -> str:
    """The address of a place in the bucket that no other test uses."""
    return f"s3://{BUCKET}/{uuid4().hex}"


def bucket_settings(folder: Path, prefix: str, **more: object) -> Settings:
    """The settings of a store at `prefix`, with what it needs on disk in `folder`."""
    return Settings(_env_file=None, runs_dir=folder, runs_url=prefix, min_free_bytes=0, **more)  # type: ignore[arg-type]


def objects_at(url: str, prefix: str) -> dict[str, bytes]:
    """The content of every object of the runs at `prefix`, by its name from the run's id on."""
    store = _client(url, prefix)
    return {found["path"]: bytes(obstore.get(store, found["path"]).bytes()) for found in obstore.list(store).collect()}


def put_object(url: str, prefix: str, name: str, content: bytes) -> None:
    """Put an object as somebody who knows nothing of fences."""
    obstore.put(_client(url, prefix), name, content)


def _make_bucket(url: str) -> None:
    """Wait until the store is up, make the bucket, and put an object: the first one makes SeaweedFS prepare its volumes."""
    for path in (BUCKET, f"{BUCKET}/first"):
        status = 0
        while status not in (200, 409):
            with suppress(httpx2.HTTPError):
                status = HTTP.put(f"{url}/{path}").status_code


def _client(url: str, prefix: str) -> S3Store:
    runs = BucketAddress.of(prefix).objects
    return S3Store(BUCKET, prefix=runs, endpoint=url, client_options={"allow_http": True}, config=_KEYS)


def _free_ports(count: int) -> list[int]:
    sockets = [socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def credentials_for(url: str) -> dict[str, str]:
    """The variables by which a process reaches the store at `url`."""
    return {f"AWS_{name.upper()}": value for name, value in _KEYS.items()} | {"AWS_ENDPOINT_URL": url}
