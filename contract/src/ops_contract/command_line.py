"""What the commands `ops`, `ops-contract` and `ops-stubs` share: options, errors, and output that any terminal can show.

It needs typer, which the extra `kit` and the packages of the other two commands bring.
"""

import codecs
import errno
import io
import json
import os
import sys
import traceback
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.metadata import version as version_of
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any, Final, NamedTuple, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException
from typer.main import get_group

from ops_contract._errors import ContractError
from ops_contract._terminal_safe import terminal_safe

MOST_FILE_BYTES: Final = 64 * 1024 * 1024
"""A file that a command is given may have so many bytes; nothing that it is meant to read is that large."""

_USAGE: Final = 2
_BUG: Final = 4
_INTERRUPTED: Final = 130
# What a shell reports of a program that SIGPIPE ended, which is how most programs end when their reader is gone.
_CLOSED_PIPE: Final = 141

_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_ASCII_FORMS: Final = {
    "✓": "+",
    "✗": "x",
    "○": "o",
    "●": "*",
    "▲": "!",
    "\N{EN DASH}": "-",
    "\N{MINUS SIGN}": "-",
    "…": ".",
    "→": ">",
    "\N{NO-BREAK SPACE}": " ",
    "\N{NARROW NO-BREAK SPACE}": " ",
}
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class End(NamedTuple):
    """How a command ends that cannot do its work: its exit code, and a sentence for people."""

    code: int
    sentence: str


class UnreadableFileError(ContractError, ValueError):
    """A file that a command was given cannot be read; the message says which and why."""


def new_command(name: str, package: str, description: str) -> typer.Typer:
    """The command `name` of the distribution `package`, with what every command has: -h, --version and completion."""
    app = typer.Typer(help=description, rich_markup_mode=None, pretty_exceptions_enable=False, context_settings=_SETTINGS)

    @app.callback(invoke_without_command=True)
    def command(
        context: typer.Context,
        version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    ) -> None:
        if version:
            typer.echo(f"{name} {version_of(package)}")
            raise typer.Exit
        _help_without_a_command(context)

    return app


def new_group(description: str, default: str = "") -> typer.Typer:
    """A group of commands below another command. With `default`, words that begin with none of them are for that one."""

    class WithDefault(TyperGroup):
        def parse_args(self, context: Any, words: list[str]) -> list[str]:
            names_one = not words or words[0] in self.commands or words[0] in context.help_option_names
            return super().parse_args(context, words if names_one else [default, *words])

    group = typer.Typer(help=description, rich_markup_mode=None, cls=WithDefault if default else None)
    group.callback(invoke_without_command=True)(_help_without_a_command)
    return group


def add_deferred(app: typer.Typer, name: str, where: str, summary: str) -> None:
    """Add a command or a group to `app` that is imported only when it is chosen, so that help and completion need not wait.

    `where` is its function or its Typer, as "module:name"; `summary` is the first sentence of its help, for the list.
    """

    class Deferred(TyperCommand):
        # Whoever makes a context goes on with the context's command, which is the imported one.
        def make_context(self, *args: Any, **options: Any) -> Any:
            return _imported(name, where).make_context(*args, **options)

    @app.command(name, help=summary, cls=Deferred)
    def _never_called() -> None: ...


def run(app: typer.Typer, name: str, end_of: Callable[[Exception], End | None]) -> NoReturn:
    """Run the command `name` and exit: whatever goes wrong becomes one sentence on standard error and an exit code.

    `end_of` knows the command's own errors, and returns None for others. Only what nobody expected is called a bug.
    """
    _accept_any_text()
    try:
        code = _completed(app, name)
    except BrokenPipeError:
        code = _CLOSED_PIPE
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the edge
        end = end_of(error) or _common_end(error) or _bug(name, error)
        say(name, end.sentence)
        code = end.code
    if code in {_CLOSED_PIPE, _USAGE}:
        _drop_unwritten_output()
    sys.exit(code)


def completing(names: Callable[[typer.Context], Iterable[str]]) -> Callable[[typer.Context], list[str]]:
    """A completion for the shell from `names`; one that cannot be made is empty, since a shell has no place for an error."""

    def complete(context: typer.Context) -> list[str]:
        try:
            return list(names(context))
        except Exception:  # noqa: BLE001  # see above
            return []

    return complete


def say(name: str, sentence: str) -> None:
    """Tell the user of the command `name` something, on standard error."""
    # Where not even this can be written, the exit code says that something is wrong.
    with suppress(OSError):
        sys.stderr.write(f"{name}: {sentence}\n")
        sys.stderr.flush()


def print_json(value: Any) -> None:
    """Print `value` as indented JSON; see `print_json_text`."""
    # A lone surrogate becomes its JSON escape.
    print_json_text((json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode(errors="backslashreplace"))


def print_json_text(text: bytes) -> None:
    """Print JSON in UTF-8; control characters and those that change the direction of text are escaped."""
    write(terminal_safe(text))


def write(text: bytes) -> None:
    """Print UTF-8, which programs read whatever the locale of the shell that called us."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text)
    sys.stdout.flush()


def read_file(file: Path) -> bytes:
    """The content of `file`, of standard input for `-`. Raises UnreadableFileError."""
    try:
        content = _standard_input() if str(file) == "-" else _limited(file)
    except OSError as error:
        raise UnreadableFileError(f"cannot read {file}: {error.strerror or error}") from error
    except ValueError as error:  # a path with a NUL
        raise UnreadableFileError(f"cannot read {str(file)!r}: {error}") from error
    if len(content) > MOST_FILE_BYTES:
        raise UnreadableFileError(f"cannot read {file}: it has more than {MOST_FILE_BYTES:,} bytes")
    return content


def _limited(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MOST_FILE_BYTES + 1)


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return sys.stdin.buffer.read(MOST_FILE_BYTES + 1)


def _imported(name: str, where: str) -> Any:
    found = resolve_name(where)
    holder = typer.Typer(rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name)(found)
    return get_group(holder).commands[name]


def _help_without_a_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(_USAGE)


def _completed(app: typer.Typer, name: str) -> int:
    """Run the command to its end, its last output included; returns its exit code."""
    try:
        code = app(prog_name=name, standalone_mode=False)
    except SystemExit as ended:
        # This is how typer and rich answer a closed pipe, with a code that has another meaning here.
        if isinstance(ended.__context__, BrokenPipeError):
            raise ended.__context__ from None
        code = ended.code
    sys.stdout.flush()
    return code if isinstance(code, int) else 0


def _common_end(error: Exception) -> End | None:
    """How a command ends for a reason that lies outside of every command."""
    match error:
        case TyperException():
            return End(error.exit_code, _usage_sentence(error))
        case typer.Abort():
            return End(1, "aborted")
        case OSError():
            return End(_USAGE, _system_sentence(error))
        case MemoryError():
            return End(_USAGE, "there is not enough memory for this; give it a smaller file, or a machine with more")
        case UnicodeError() | UnreadableFileError():
            return End(_USAGE, str(error))
        case _:
            return None


def _usage_sentence(error: TyperException) -> str:
    # A value is read by pydantic, whose words are for programmers.
    message = error.format_message().replace("Value error, ", "").replace("Input should be", "must be")
    context = getattr(error, "ctx", None)
    hint = f" See `{context.command_path} --help`." if context else ""
    return message[:1].lower() + message[1:] + ("" if message.endswith((".", "?")) else ".") + hint


def _system_sentence(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    if error.filename is not None:
        return f"cannot use {error.filename}: {reason}"
    return f"cannot write the output: {reason}" if error.errno in _NO_ROOM else reason


def _bug(name: str, error: Exception) -> End:
    traceback.print_exception(error)
    return End(_BUG, f"this is a bug of {name}, please report it: {error!r}")


def _accept_any_text() -> None:
    """Let output be written that its encoding does not have, and to streams that the caller has closed."""
    codecs.register_error("ops-readable", _readable)
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # open until the process ends
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # open until the process ends
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="ops-readable")


def _readable(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that an encoding lacks by an ASCII form as wide as they are."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_ascii_form, error.object[error.start : error.end])), error.end


def _ascii_form(character: str) -> str:
    return _ASCII_FORMS.get(character) or ("??" if unicodedata.east_asian_width(character) in {"W", "F"} else "?")


def _drop_unwritten_output() -> None:
    """Send output that cannot be written to nowhere, or Python would complain of it at its own end."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, io.UnsupportedOperation):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
