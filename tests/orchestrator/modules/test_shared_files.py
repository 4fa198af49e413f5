"""Files that an adapter takes from a folder: refused where that would have to be shared, unless it is said to be."""

import socket
from pathlib import Path

import pytest

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.modules.catalogue import load_catalogue
from ops_orchestrator.modules.shared_files import refuse_unshared
from ops_orchestrator.service.app import create_app
from ops_orchestrator.settings import Settings

NAMED_BY_FILES = "adapter: {{base: integration-spec-1.0{}}}"
SHARED = ", artifacts_shared: true"


def registered(folder: Path, said: str = "", host: str = "127.0.0.1") -> Path:
    file = folder / "modules.yaml"
    file.write_text(f"modules:\n  simulation:\n    url: http://{host}:1\n    {NAMED_BY_FILES.format(said)}\n")
    return file


def test_folder_that_several_processes_would_need_is_refused_at_the_start_with_the_cure(tmp_path: Path) -> None:
    settings = Settings(database_url="postgresql://127.0.0.1:1/none", runs_dir=tmp_path, modules_file=registered(tmp_path))
    with pytest.raises(ConfigurationError, match=r"simulation takes artifacts from files .*`artifacts_shared: true`"):
        create_app(settings)


def test_folder_that_is_said_to_be_shared_is_taken(tmp_path: Path) -> None:
    refuse_unshared(load_catalogue(registered(tmp_path, SHARED), {}), among_processes=True)


def test_one_process_and_one_replica_need_nothing_shared(tmp_path: Path) -> None:
    refuse_unshared(load_catalogue(registered(tmp_path), {}), among_processes=False)


def test_name_that_cannot_be_looked_up_is_no_reason_to_refuse(tmp_path: Path) -> None:
    refuse_unshared(load_catalogue(registered(tmp_path, host="no-such-name.invalid"), {}), among_processes=False)


def test_name_of_several_replicas_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{number}", 0)) for number in (1, 2, 3)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    catalogue = load_catalogue(registered(tmp_path, host="simulation.test"), {})
    with pytest.raises(ConfigurationError, match=r"simulation\.test stands for 3 replicas"):
        refuse_unshared(catalogue, among_processes=False)
