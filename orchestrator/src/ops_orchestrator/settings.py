"""The orchestrator's settings: environment variables `OPS_*` or a `.env` file, read once at the edge."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ops_contract import problems_of
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.modules.limits import Limits

MIB = 1024 * 1024


class Settings(BaseSettings):
    """Everything an operator can set, with its default."""

    model_config = SettingsConfigDict(env_prefix="OPS_", env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    runs_dir: Annotated[Path, Field(description="where run folders are kept")] = Path("runs")
    modules_file: Annotated[Path, Field(description="the file that registers the modules")] = Path("modules.yaml")
    host: Annotated[str, Field(description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="port to listen on; 0 picks a free one")] = 8000
    url: Annotated[str, Field(description="where the command line finds the service")] = "http://127.0.0.1:8000"
    max_request_bytes: Annotated[int, Field(gt=0, description="largest scenario accepted")] = MIB
    max_response_bytes: Annotated[int, Field(gt=0, description="largest answer of a module accepted")] = 16 * MIB
    max_artifact_bytes: Annotated[int, Field(gt=0, description="largest single artifact fetched")] = 256 * MIB
    max_step_artifacts: Annotated[int, Field(gt=0, description="most artifacts of one step")] = 1000
    max_step_artifact_bytes: Annotated[int, Field(gt=0, description="most bytes of all artifacts of one step")] = 512 * MIB
    max_run_artifact_bytes: Annotated[int, Field(gt=0, description="most bytes of all artifacts of one run")] = 1024 * MIB
    max_concurrent_runs: Annotated[int, Field(gt=0, description="more are answered 503")] = 64
    stop_grace_s: Annotated[int, Field(ge=0, description="seconds that answers in progress get when the service stops")] = 3
    log_format: Annotated[Literal["json", "console"], Field(description="how the service's own log is written")] = "json"
    image_digest: Annotated[str | None, Field(description="digest of the orchestrator's own image, where known")] = None

    @property
    def limits(self) -> Limits:
        """How much is read from a module."""
        return Limits(
            response_bytes=self.max_response_bytes,
            artifact_bytes=self.max_artifact_bytes,
            step_artifacts=self.max_step_artifacts,
            step_artifact_bytes=self.max_step_artifact_bytes,
            run_artifact_bytes=self.max_run_artifact_bytes,
        )


def read_settings(**overrides: object) -> Settings:
    """Read the environment; `overrides` that are not None win. Raises ConfigurationError naming the variables."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # each is validated by its field
    except ValidationError as error:
        wrong = "; ".join(f"OPS_{problem.pointer.strip('/').upper()} {problem.message}" for problem in problems_of(error))
        raise ConfigurationError(f"settings: {wrong}") from error
