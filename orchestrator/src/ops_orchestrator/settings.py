"""The orchestrator's settings: environment variables `OPS_*` or a `.env` file, read once at the edge."""

import re
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Annotated, Final, Literal

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ops_contract import MAX_VALUES, nearest, problems_of
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.modules.base_url import BaseUrl, checked_base_url
from ops_orchestrator.modules.limits import Limits
from ops_orchestrator.published_address import published_url

MIB = 1024 * 1024

Durability = Literal["sync", "os"]
"""`sync`: what is said to be stored is on disk. `os`: the operating system has it, and decides when it is written."""

SyncMethod = Literal["syncfs", "fsync"]
"""How runs are flushed: one `syncfs` for the whole file system, or `fsync` for each of their files and folders."""

LogFormat = Literal["auto", "json", "console"]
"""`json`: an object a line, for programs. `console`: a sentence a line, for people. `auto`: for people on a terminal alone."""

_PREFIX: Final = "OPS_"
# Of compose.yaml, modules.yaml, deploy/, the stubs, and this project's tests.
_OTHER_VARIABLES: Final = re.compile(
    r"OPS_(PUBLISH|PUBLISHED_PORT|ORCHESTRATOR_IMAGE|HAPROXY_IMAGE|API_KEYS_SECRET|MODULES_CONFIG|CLUSTER_\w+"
    r"|READY_TIMEOUT_S|STUBS_\w+|CI_STATE|SOAK_S|WRITE_PAGES)"
)

# Whatever can stand in a header. A key that is wrong is for the service to refuse.
_SENDABLE: Final = re.compile(r"[!-~]{1,500}")
_HOST_NAME: Final = re.compile(r"(\*\.)?[\w-]+(\.[\w-]+)*\.?|\[?[0-9a-fA-F:]+\]?")
# As browsers write it: in lower case, and without the port that the scheme has anyway.
_ORIGIN: Final = re.compile(r"https?://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(:\d{1,5})?")

_BUCKET: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/(?!\.{1,2}(/|$))[A-Za-z0-9!_.*'()=-]+)*/?")
_HOSTS: Final = r"([^@:/?#\[\]]*|\[[^@/?#\]]*\])(:\d*)?"
_DATABASE_URL: Final = re.compile(rf"postgres(ql)?://(?=.)([^@/?#]*@)?{_HOSTS}(,{_HOSTS})*(/[^@?#]*)?(\?[^@#]*)?")
_NO_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")

_ENV_FILE: Final = Path(".env")
_MOST_ENV_BYTES: Final = MIB


def _at_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"names a home folder that is not known ({error})") from error


def _published(address: str | None) -> str | None:
    if not address:
        return None
    return checked_base_url(address).rstrip("/") if "://" in address else published_url(address)


def _opening(text: str) -> str:
    """`yes`, `no`, or the address at which a container is published."""
    answer = {"1": "yes", "true": "yes", "on": "yes", "0": "no", "false": "no", "off": "no"}.get(text.lower(), text.lower())
    if answer in ("yes", "no"):
        return answer
    try:
        published_url(text)
    except ValueError as error:
        raise ValueError("must be yes, no, or the HOST:PORT at which a container is published") from error
    return text


def _bucket(address: str | None) -> str | None:
    if address and not _BUCKET.fullmatch(address):
        raise ValueError("must be s3://BUCKET or s3://BUCKET/PREFIX, such as s3://policy-runs/prod")
    return address


def _key(key: SecretStr | None) -> SecretStr | None:
    if key is not None and not _SENDABLE.fullmatch(key.get_secret_value()):
        # A complete message: pydantic's own would show the key.
        raise PydanticCustomError("complete", "has spaces or characters that no key has; `ops keys add` prints a key")
    return key


Opening = Annotated[str, AfterValidator(_opening)]
"""Who may use a service without keys."""


def listed(text: str) -> tuple[str, ...]:
    """The items of a setting that has several, with commas."""
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _database_url(url: SecretStr | None) -> SecretStr | None:
    # As above: the address may have a password, a part of which PostgreSQL's library would take for a host or a port, and tell.
    if url is not None:
        text = url.get_secret_value()
        if not _DATABASE_URL.fullmatch(text) or _NO_ESCAPE.search(text):
            escapes = "a password with other characters than letters, digits and -._~ needs them escaped: %40 for @, %2F for /"
            raise PydanticCustomError(
                "complete", f"must be an address such as postgresql://user:password@host:5432/ops; {escapes}"
            )
    return url


def _host_names(text: str) -> str:
    for name in listed(text):
        if not _HOST_NAME.fullmatch(name):
            raise ValueError(f"must be names without a port, such as ops.example.org or *.example.org, not {name!r:.100}")
    return text


def _origins(text: str) -> str:
    for origin in listed(text):
        if not _ORIGIN.fullmatch(origin):
            example = "such as https://app.example.org or http://localhost:3000"
            raise ValueError(f"must be exact origins without a path, {example}, not {origin!r:.100}")
    return text


HomePath = Annotated[Path, AfterValidator(_at_home)]


class Settings(BaseSettings):
    """Everything an operator can set, with its default."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_file=".env", env_file_encoding="utf-8-sig", extra="ignore", frozen=True, env_ignore_empty=True
    )

    runs_dir: Annotated[HomePath, Field(description="where run folders are kept")] = Path("runs")
    runs_url: Annotated[
        str | None,
        AfterValidator(_bucket),
        Field(description="the bucket in which runs are kept; unset, they are kept as folders"),
    ] = None
    runs_patience_s: Annotated[
        int, Field(gt=0, le=3600, description="seconds for which a bucket may refuse a run before that ends as errored")
    ] = 180
    runs_copies_bytes: Annotated[
        int, Field(ge=0, description="most bytes of copies of runs in a bucket, through which they are read")
    ] = 1024 * MIB
    modules_file: Annotated[HomePath, Field(description="the file that registers the modules")] = Path("modules.yaml")
    host: Annotated[str, Field(description="address to listen on")] = "127.0.0.1"
    api_keys_file: Annotated[
        HomePath | None, Field(description="the file of keys, one of which each request needs; unset, none does")
    ] = None
    open: Annotated[Opening, Field(description="whether others than this machine may use it without keys")] = "no"
    allowed_hosts: Annotated[
        str, AfterValidator(_host_names), Field(description="more names by which the service may be called, with commas")
    ] = ""
    cors_origins: Annotated[
        str, AfterValidator(_origins), Field(description="origins whose scripts may use the API, with commas; unset, none may")
    ] = ""
    workers: Annotated[int, Field(gt=0, le=64, description="processes that serve together, on one address and one store")] = 1
    port: Annotated[int, Field(ge=0, le=65535, description="port to listen on; 0 picks a free one")] = 8000
    published_at: Annotated[
        str | None,
        AfterValidator(_published),
        Field(description="where a person opens the service, if not where it listens"),
    ] = None
    max_connections: Annotated[int, Field(gt=0, description="most connections of callers; more are answered 503")] = 1000
    max_connections_per_address: Annotated[int, Field(gt=0, description="most connections from one address")] = 500
    max_pending_bytes: Annotated[int, Field(gt=0, description="most bytes of all requests that are not answered yet")] = (
        16 * MIB
    )
    url: Annotated[BaseUrl, Field(description="where the command line finds the service")] = "http://127.0.0.1:8000"
    api_key: Annotated[
        SecretStr | None, AfterValidator(_key), Field(description="the key that the command line sends to the service")
    ] = None
    max_request_bytes: Annotated[int, Field(gt=0, description="largest scenario accepted")] = MIB
    max_request_values: Annotated[int, Field(gt=0, description="most JSON values in a scenario, keys included")] = 100_000
    max_response_bytes: Annotated[int, Field(gt=0, description="largest answer of a module accepted")] = 16 * MIB
    max_response_values: Annotated[int, Field(gt=0, description="most JSON values in an answer, keys included")] = MAX_VALUES
    max_artifact_bytes: Annotated[int, Field(gt=0, description="largest single artifact fetched")] = 256 * MIB
    max_step_artifacts: Annotated[int, Field(gt=0, description="most artifacts of one step")] = 1000
    max_step_artifact_bytes: Annotated[int, Field(gt=0, description="most bytes of all artifacts of one step")] = 512 * MIB
    max_run_artifact_bytes: Annotated[int, Field(gt=0, description="most bytes of all artifacts of one run")] = 1024 * MIB
    max_store_bytes: Annotated[
        int | None, Field(gt=0, description="most bytes that all runs take together; unset, as many as there is room for")
    ] = None
    min_free_bytes: Annotated[
        int, Field(ge=0, description="bytes that the disk of the runs must have free for a run to start; 0, any")
    ] = 64 * MIB
    max_import_bytes: Annotated[int, Field(gt=0, description="most bytes that one zip file of runs unpacks to")] = 4096 * MIB
    max_concurrent_runs: Annotated[int, Field(gt=0, description="most runs executed at once; more wait for their turn")] = 64
    max_queued_runs: Annotated[int, Field(ge=0, description="most runs that wait; more are answered 503")] = 1000
    max_sweep_points: Annotated[int, Field(gt=0, description="most points of a sweep, each of which is a run")] = 10_000
    database_url: Annotated[
        SecretStr | None,
        AfterValidator(_database_url),
        Field(description="the PostgreSQL database that several processes share; unset, none is needed"),
    ] = None
    embedded_workers: Annotated[
        int, Field(ge=0, le=1, description="with a database, 0 has `ops worker` alone execute runs, and 1 `ops serve`, too")
    ] = 1
    max_attempts: Annotated[
        int, Field(gt=0, le=1000, description="most workers that a run may lose before it is given up; with a database")
    ] = 5
    heartbeat_s: Annotated[float, Field(gt=0, le=3600, description="seconds between a worker's signs of life")] = 10.0
    stalled_s: Annotated[
        float, Field(gt=0, le=86400, description="seconds without a sign of life after which others take a worker's runs")
    ] = 30.0
    worker_host: Annotated[str, Field(description="address where `ops worker` has its health and metrics")] = "127.0.0.1"
    worker_port: Annotated[int, Field(ge=0, le=65535, description="port of the same; 0 picks a free one")] = 8001
    read_only: Annotated[bool, Field(description="only show what is stored, and start or change nothing")] = False
    resume_interrupted: Annotated[
        bool, Field(description="resume, at start, the runs and sweeps that a stopped or killed service left")
    ] = False
    durability: Annotated[Durability, Field(description="when a run is on disk")] = "sync"
    sync: Annotated[SyncMethod, Field(description="how runs are put on disk")] = "syncfs"
    signing_key: Annotated[HomePath | None, Field(description="the private key that signs runs; unset, none is signed")] = None
    retention_days: Annotated[
        int | None, Field(gt=0, le=36500, description="runs that ended longer ago are deleted; unset, none are")
    ] = None
    drain_s: Annotated[
        int, Field(ge=0, le=86400, description="seconds that runs under way get to end when the service is stopped")
    ] = 0
    stop_grace_s: Annotated[int, Field(ge=0, description="seconds that answers in progress get when the service stops")] = 3
    log_format: Annotated[LogFormat, Field(description="how the service's own log is written")] = "auto"
    image_digest: Annotated[str | None, Field(description="digest of the orchestrator's own image, where known")] = None

    @property
    def limits(self) -> Limits:
        """How much is read from a module."""
        return Limits(
            response_bytes=self.max_response_bytes,
            response_values=self.max_response_values,
            artifact_bytes=self.max_artifact_bytes,
            step_artifacts=self.max_step_artifacts,
            step_artifact_bytes=self.max_step_artifact_bytes,
            run_artifact_bytes=self.max_run_artifact_bytes,
        )

    def with_secrets(self) -> dict[str, object]:
        """The settings as JSON values, for a process of ours: with what is hidden where they are shown."""
        hidden = {name: value for name, value in self if isinstance(value, SecretStr)}
        return self.model_dump(mode="json") | {name: value.get_secret_value() for name, value in hidden.items()}


def read_settings(**overrides: object) -> Settings:
    """Read the environment; `overrides` that are not None win. Raises ConfigurationError naming the variables."""
    given = {name: value for name, value in overrides.items() if value is not None}
    _check_env_file(_ENV_FILE)
    try:
        return Settings(**given)  # type: ignore[arg-type]  # each is validated by its field
    except ValidationError as error:
        named = [(problem.pointer.strip("/"), problem.message) for problem in problems_of(error)]
        wrong = "; ".join(
            f"{f'--{name}' if name in given else f'{_PREFIX}{name.upper()}'} {message}" for name, message in named
        )
        raise ConfigurationError(f"settings: {wrong}") from error


def misspelt_settings(settings: Settings, environment: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each variable of `environment` or the .env file that begins with OPS_ and that nothing reads.

    A variable that modules.yaml refers to is read.
    """
    known = [name.upper() for name in Settings.model_fields]
    variables = {**dotenv_values(_ENV_FILE, interpolate=False, encoding="utf-8-sig"), **environment}
    for variable in (name for name, value in variables.items() if value and name.upper().startswith(_PREFIX)):
        name = variable.upper().removeprefix(_PREFIX)
        if name not in known and not _OTHER_VARIABLES.fullmatch(variable) and variable not in _text_of(settings.modules_file):
            meant = nearest(name, known)
            hint = f"did you mean {_PREFIX}{meant}?" if meant else "`ops serve --show-settings` prints those that there are"
            yield f"{variable}{'' if variable in environment else f' in {_ENV_FILE}'} is not a setting and is ignored; {hint}"


def _text_of(modules_file: Path) -> str:
    """The file's text; empty when it cannot be read, which is reported where it is used."""
    try:
        return modules_file.read_text(encoding="utf-8", errors="replace") if modules_file.is_file() else ""
    except OSError:
        return ""


def _check_env_file(path: Path) -> None:
    """Refuse a .env file that cannot be read, or not as what its writer meant. Raises ConfigurationError."""
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"cannot read {path}: it is not a plain file; settings are read from it")
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_ENV_BYTES + 1)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}; settings are read from it") from error
    if len(raw) > _MOST_ENV_BYTES:
        raise ConfigurationError(f"cannot read {path}: it has more than {_MOST_ENV_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        is_utf_16 = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
        reason = "it is in UTF-16" if is_utf_16 else f"line {raw[: error.start].count(10) + 1} is not in UTF-8"
        raise ConfigurationError(f"cannot read {path}: {reason}; save it as UTF-8") from error
    before, nul, _ = text.partition("\0")
    if nul:
        raise ConfigurationError(f"{path}:{before.count(chr(10)) + 1}: it holds a NUL character; remove it")
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            line = binding.original.line
            raise ConfigurationError(f"{path}:{line}: {binding.original.string.strip()!r:.60} is not NAME=VALUE")
