"""The stack as local processes: the orchestrator, and one process for all stubs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2

from ops_harness.modules_file import url_variables, write_modules_file
from ops_harness.process import served
from ops_harness.replacement import Replacement, addresses
from ops_harness.stack import Stack, http_client


@contextmanager
def stack_of_processes(
    folder: Path,
    replacements: Sequence[Replacement] = (),
    settings: Mapping[str, str] | None = None,
    modules_file: Path | None = None,
) -> Iterator[Stack]:
    """Start a stack whose runs and logs are kept in `folder`; it is stopped at the end, or when this process is killed.

    Images among the `replacements` are started as containers. `settings` are variables of the orchestrator, OPS_...;
    `modules_file` takes the place of one that registers the stubs, and finds the address of each in its variable, such as
    POLICY_SIMULATOR_URL.
    """
    runs, logs = (folder / name for name in ("runs", "logs"))
    for path in (runs, logs):
        path.mkdir(parents=True, exist_ok=True)
    with ExitStack() as started:
        words = ("ops_stubs", "serve", "--admin", "--port", "0")
        shared = {"OPS_STUBS_SHARED_DIR": str(folder / "shared")}
        http = started.enter_context(http_client())
        host = started.enter_context(served(logs / "stubs.log", *words, folder=folder, variables=shared))
        stubs = _stubs_at(host, http)
        replaced = addresses(replacements) | _containers(started, folder, replacements)
        urls = {**stubs, **replaced}
        file = modules_file or write_modules_file(folder / "modules.yaml", urls)
        given = {**url_variables(urls), **(settings or {})}
        variables = {**given, "OPS_RUNS_DIR": str(runs), "OPS_MODULES_FILE": str(file.absolute())}
        serve = ("ops_orchestrator", "serve", "--host", "127.0.0.1", "--port", "0")
        url = started.enter_context(served(logs / "orchestrator.log", *serve, folder=folder, variables=variables))
        yield Stack(url, runs, logs, {name: stub for name, stub in stubs.items() if name not in replaced}, http)


def _stubs_at(host: str, http: httpx2.Client) -> dict[str, str]:
    """The base URLs by module of the stubs that are served together at `host`."""
    listed = http.get(host).raise_for_status().json()["modules"]
    return {one["module"]: f"{host}{one['path']}" for one in listed}


def _containers(started: ExitStack, folder: Path, replacements: Sequence[Replacement]) -> dict[str, str]:
    images = [one for one in replacements if one.is_image]
    if not images:
        return {}
    from ops_harness.containers import module_container  # noqa: PLC0415  # an extra, which most sessions do without

    return {one.module: started.enter_context(module_container(one, folder / "logs")) for one in images}
