"""The options that name a target, for every command that takes one."""

import inspect
import os
import shlex
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from ops_contract.compliance.arguments import UsageError, checked_url
from ops_contract.compliance.targets.adapter import adapter_target
from ops_contract.compliance.targets.engine import Say
from ops_contract.compliance.targets.image import image_target
from ops_contract.compliance.targets.image_under_test import READY_S, Settings
from ops_contract.compliance.targets.local_command import command_target
from ops_contract.compliance.targets.target import Target


@dataclass(frozen=True)
class TargetOptions:
    """Each field is an option, or an argument, of every command `with_target`. Exactly one of them names a target."""

    url: Annotated[
        str | None, typer.Argument(metavar="[URL]", help="Base URL of the module, for example http://localhost:8080.")
    ] = None
    image: Annotated[
        str | None, typer.Option("--image", metavar="IMAGE", help="Start this container image instead, and remove it again.")
    ] = None
    command: Annotated[
        str | None, typer.Option("--command", metavar="WORDS", help="Arguments for the image, as after docker run IMAGE.")
    ] = None
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME=VALUE", help="A setting for the image; NAME alone takes it from here. Repeatable."),
    ] = None
    logs: Annotated[Path | None, typer.Option("--logs", metavar="FILE", help="Keep what the image's containers log.")] = None
    ready_within: Annotated[
        float | None,
        typer.Option("--ready-within", metavar="SECONDS", min=1, max=READY_S, help="Give the image less than 60 s."),
    ] = None
    stub: Annotated[
        str | None, typer.Option("--stub", metavar="NAME", help="Start this stub of the stack instead: data-layer, ...")
    ] = None

    adapter: Annotated[
        str | None,
        typer.Option("--adapter", metavar="FILE:NAME", help="Check a module of this modules.yaml through its adapter."),
    ] = None

    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="A run with the earlier steps that the adapter's actions need.")
    ] = None
    runs_dir: Annotated[
        Path | None, typer.Option("--runs-dir", metavar="DIR", help="Where that run is; default OPS_RUNS_DIR or ./runs.")
    ] = None

    def opened(self, say: Say) -> AbstractAsyncContextManager[Target]:
        """The one target, not started yet. Raises UsageError when there is none or more than one."""
        given = {"a URL": self.url, "--image": self.image, "--stub": self.stub, "--adapter": self.adapter}
        named = [option for option, value in given.items() if value is not None]
        if len(named) != 1:
            named_text = f"{' and '.join(named)} were given" if named else "nothing was given"
            raise UsageError(f"check one of a URL, --image IMAGE, --stub NAME or --adapter FILE:NAME; {named_text}")
        if self.adapter is None and (self.run is not None or self.runs_dir is not None):
            raise UsageError("--run and --runs-dir are for --adapter")
        if self.runs_dir is not None and self.run is None:
            raise UsageError("--runs-dir is for --run; say which run: --run RUN, or --run latest")
        if self.image is not None:
            return image_target(self.image, self._settings(), say)
        for_images = (self.command, self.env, self.logs, self.ready_within)
        if any(value is not None for value in for_images):
            raise UsageError("--command, --env, --logs and --ready-within are for --image")
        if self.stub is not None:
            words = ("ops-stubs", "serve", self.stub, "--host", "127.0.0.1", "--port", "0")
            return command_target(words, f"stub {self.stub}", "openpolicystack-stubs")
        if self.adapter is not None:
            file, _, name = self.adapter.rpartition(":")
            if not file or not name:
                raise UsageError(f"--adapter {self.adapter!r} names no module; write FILE:NAME, as in modules.yaml:forecast")
            return adapter_target(Path(file), name, self.run, self.runs_dir)
        return nullcontext(Target.at(checked_url(self.url or "")))

    def _settings(self) -> Settings:
        try:
            command = shlex.split(self.command or "")
        except ValueError as error:
            raise UsageError(f"--command {self.command!r} cannot be split into words: {error}") from error
        environment = dict(map(_variable, self.env or ()))
        return Settings(command, environment, self.ready_within or READY_S, self.logs)


def named_target(text: str) -> TargetOptions:
    """A target written as one word: a URL, or `image:IMAGE`, `stub:NAME`, `adapter:FILE:NAME`."""
    match text.partition(":"):
        case ("image", _, name):
            return TargetOptions(image=name)
        case ("stub", _, name):
            return TargetOptions(stub=name)
        case ("adapter", _, name):
            return TargetOptions(adapter=name)
        case _:
            return TargetOptions(url=text)


def with_target(command: Callable[..., None]) -> Callable[..., None]:
    """`command`, with the fields of TargetOptions in place of its parameter `target`."""
    hints = get_type_hints(TargetOptions, include_extras=True)
    options = [
        inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
        for one in fields(TargetOptions)
    ]

    @wraps(command)
    def expanded(**given: Any) -> None:
        chosen = {one.name: given.pop(one.name) for one in fields(TargetOptions)}
        command(target=TargetOptions(**chosen), **given)

    parameters: list[inspect.Parameter] = []
    for one in inspect.signature(command).parameters.values():
        parameters += options if one.name == "target" else [one.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
    # typer reads the options of a command from its signature.
    expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions take any attribute
    return expanded


def _variable(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not name:
        raise UsageError(f"--env {given!r} has no name; write NAME=VALUE")
    if name == "OPS_PORT":
        raise UsageError("--env OPS_PORT cannot be given: the kit sets it, because OPS-CTR-001 is about it")
    if equals:
        return name, value
    if name not in os.environ:
        raise UsageError(f"--env {name} takes its value from the environment, where it is not set; write {name}=VALUE")
    return name, os.environ[name]
