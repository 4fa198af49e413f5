"""The last line of what a command shows: the verdict, and the command to go on with."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions
from rich.text import Text

from ops_contract.compliance.redaction import harmless

_BETWEEN = " · "


@dataclass(frozen=True)
class Closing:
    """A verdict and the next command, which stands in a line of its own where both are too long for one."""

    verdict: Text
    command: str = ""

    def __str__(self) -> str:
        return _BETWEEN.join(filter(None, (self.verdict.plain, harmless(self.command))))

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> Iterator[Text]:
        command = Text(harmless(self.command), "cyan")
        # A command that is copied must not be broken into lines.
        command.no_wrap, command.overflow = True, "ignore"
        if not command:
            yield self.verdict
        elif len(self.verdict) + len(_BETWEEN) + len(command) <= options.max_width:
            yield Text.assemble(self.verdict, (_BETWEEN, "dim"), command)
        else:
            yield self.verdict
            yield command
