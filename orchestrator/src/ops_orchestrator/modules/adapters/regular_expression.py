"""Regular expressions in mappings: RE2's, which take time linear in the text."""

import re
from functools import partial
from typing import Any, Final

import re2

from ops_orchestrator.modules.adapters.jsonata_library import RegexFlags

_GROUP: Final = re.compile(r"\\g<(\d+)>")


class RegularExpressionError(Exception):
    """A pattern that RE2 refuses."""

    def __init__(self, pattern: str, reason: str) -> None:
        syntax = "(RE2 syntax: no look-around and no back-references)"
        super().__init__(f"the regular expression cannot be used: {reason} {syntax}")
        self.pattern = pattern


class _Regex:
    """A compiled pattern as the library uses it. RE2 reads a template as escaped Latin-1, so it gets functions only."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self.search, self.finditer, self.split = compiled.search, compiled.finditer, compiled.split

    def sub(self, replacement: Any, text: str, count: int = 0) -> str:
        r"""Replace by a function, or by a template with `\g<1>` for groups; the library wants IndexError for one not there."""
        if not isinstance(replacement, str):
            return str(self._compiled.sub(replacement, text, count))

        def group(match: Any, found: re.Match[str]) -> str:
            try:
                return match.group(int(found[1])) or ""
            except IndexError as error:
                raise IndexError(f"invalid group reference {found[1]} at position {found.start()}") from error

        return str(self._compiled.sub(lambda match: _GROUP.sub(partial(group, match), replacement), text, count))


def compile_regular_expression(pattern: str, flags: RegexFlags) -> Any:
    """Compile with RE2, which never backtracks: a pattern like `(a+)+$` would otherwise stop the whole service.

    Raises RegularExpressionError.
    """
    options = re2.Options()
    options.case_sensitive = not flags.case_insensitive
    options.log_errors = False
    try:
        return _Regex(re2.compile(f"(?m){pattern}" if flags.multiline else pattern, options))
    except re2.error as error:
        reason = error.args[0] if error.args else "it is not valid"
        raise RegularExpressionError(
            pattern, reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        ) from error
