"""The container engine: finding it, finding an image in it, and what its errors mean."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from ops_contract.compliance.result import ExitCode
from ops_contract.compliance.targets.errors import TargetError

if TYPE_CHECKING:  # a check of a URL must work without any engine, and without its client
    from docker import DockerClient
    from docker.errors import APIError
    from docker.models.images import Image

Value = TypeVar("Value")
Say = Callable[[str], None]
"""Shows a sentence to the user who waits."""

_LONGEST_ANSWER_S: Final = 60
_HERE: Final = ("localhost", "localnpipe", "127.0.0.1", "::1")


async def in_background(work: Callable[[], Value]) -> Value:
    """Run `work` in a daemon thread, so that an engine that hangs does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Value] = loop.create_future()

    def settle(value: Value | None, error: BaseException | None) -> None:
        if result.done():
            return  # the caller was cancelled
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)  # type: ignore[arg-type]  # there is no error, so it is a Value

    def run() -> None:
        value, problem = None, None
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001  # it is raised where it is awaited
            problem = error
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, value, problem)

    Thread(target=run, daemon=True).start()
    return await result


def connect() -> "DockerClient":
    """A connection to the engine that `docker` would use, by DOCKER_HOST. Raises TargetError when none answers."""
    try:
        import docker  # noqa: PLC0415  # see above
    except ModuleNotFoundError as error:
        install = "install openpolicystack-contract[kit], in a checkout with: pip install './contract[kit]'"
        message = f"the Python package {error.name} is missing; {install}"
        raise TargetError(message, ExitCode.KIT_ERROR) from error
    try:
        client = docker.from_env(timeout=_LONGEST_ANSWER_S)
    except docker.errors.DockerException as error:
        raise TargetError(f"no container engine answers: {_reason(error)}") from error
    host = urlsplit(client.api.base_url).hostname
    if host not in _HERE:
        client.close()
        message = f"the container engine is on another machine ({host}), whose ports cannot be reached from here"
        raise TargetError(f"{message}; run the kit there, or start the image yourself and check its URL")
    return client


def find_image(client: "DockerClient", name: str, say: Say) -> "Image":
    """The image called `name`; pulled only when it is missing. Raises TargetError when there is none."""
    from docker.errors import APIError, ImageNotFound, InvalidRepository  # noqa: PLC0415  # see above

    try:
        return client.images.get(name)
    except ImageNotFound:
        say(f"{name} is not on this machine, pulling it")
    except (APIError, InvalidRepository, ValueError) as error:
        if isinstance(error, APIError) and not error.is_client_error():
            raise TargetError(f"the container engine cannot look for the image {name}: {explained(error)}") from error
        message = f"{name!r} is not the name of an image: {explained(error)}; write one as `docker images` shows it"
        raise TargetError(message, ExitCode.USAGE) from error
    try:
        return client.images.pull(name)
    except engine_errors() as error:
        message = f"there is no image {name} on this machine, and it cannot be pulled: {explained(error)}"
        raise TargetError(f"{message}; build it, or correct its name") from error


def digest_of(image: "Image") -> str:
    """The digest under which a registry knows it, else the engine's own id."""
    known = image.attrs.get("RepoDigests") or [f"@{image.id}"]
    return str(known[0]).rpartition("@")[2]


def engine_errors() -> tuple[type[Exception], ...]:
    """The errors of the engine's client: its own, and those of its connection."""
    from docker.errors import DockerException  # noqa: PLC0415  # see above
    from requests import RequestException  # noqa: PLC0415  # see above

    return DockerException, RequestException


def explained(error: Exception) -> str:
    """The engine's own explanation in one line, without the address of its API."""
    source: APIError | Exception = error
    return " ".join(str(getattr(source, "explanation", None) or source).split())


def _reason(error: BaseException) -> str:
    for cause in _causes(error):
        match cause:
            case PermissionError():
                return "permission denied; run as a user who may use Docker (in the group docker, for example)"
            case FileNotFoundError():
                return "its socket is not there; start Docker, or set DOCKER_HOST"
            case ConnectionRefusedError():
                return "connection refused; start Docker, or set DOCKER_HOST"
    return f"{explained(Exception(str(error)))}; start Docker, or set DOCKER_HOST"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        # Three libraries wrap the system's error, and one of them keeps it only as an argument.
        yield from (argument for argument in error.args if isinstance(argument, BaseException))
        error = error.__cause__ or error.__context__
