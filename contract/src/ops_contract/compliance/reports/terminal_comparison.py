"""A comparison of two versions of a module, for a terminal."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from ops_contract.compliance.compare import Change, Comparison, What
from ops_contract.compliance.redaction import harmless, shortened
from ops_contract.compliance.reports.closing import Closing

_MOST_LISTED: Final = 12
_MOST_GROUPS: Final = 5
_NAMED: Final = 3
_GROUP_SEGMENTS: Final = 3
_LONGEST_NAME: Final = 80
_LONGEST_LINE: Final = 1000
_NOUNS: Final[tuple[tuple[What, str, str], ...]] = (
    ("output", "value", "values"),
    ("artifact", "artifact", "artifacts"),
    ("evidence", "piece of evidence", "pieces of evidence"),
)


def terminal_comparison(comparison: Comparison, at_length: str | None = None) -> RenderableType:
    """A line for each difference, what was left out, and last how much is equal.

    Without `at_length`, everything is listed, also what is equal; with it, the first differences, a count of the others, and
    that command, which lists everything.
    """
    parts: list[RenderableType] = [Text(_title(comparison), "bold")]
    listed = comparison.changes[: None if at_length is None else _MOST_LISTED]
    for action in dict.fromkeys(one.action for one in (*listed, *(comparison.equal if at_length is None else ()))):
        parts += [Text(""), Text(harmless(action), "bold")]
        parts += (_line(one) for one in listed if one.action == action)
        if at_length is None:
            parts += (Text(f"  = {harmless(one.label())}", "dim") for one in comparison.equal if one.action == action)
    parts += (Text(f"  {line}", "dim") for line in _summarised(comparison.changes[len(listed) :]))
    parts += [Text(""), *(Text(harmless(f"{action}: {reason}"), "red") for action, reason in comparison.failed.items())]
    parts += _left_out(comparison, is_whole=at_length is None)
    is_same = not (comparison.changes or comparison.failed)
    verdict = Text(_verdict(comparison), "bold green" if is_same else "bold yellow")
    return Group(*parts, Closing(verdict, "" if is_same or at_length is None else at_length))


def brief_comparison(comparison: Comparison, at_length: str) -> str:
    """At most three lines: how many differences of what, the first of them, and the command that shows them `at_length`."""
    old, new = _versions(comparison)
    counts = Counter(change.what for change in comparison.changes)
    told = [f"differ in {', '.join(f'{what} ({count})' for what, count in counts.items())}"] if counts else []
    if comparison.failed:
        told.append(f"could not be compared for {', '.join(comparison.failed)}")
    left_out = f"; left out: {len(comparison.left_out)} that a side changes by itself" if comparison.left_out else ""
    lines = [f"the answers of old {old} and new {new} {' and '.join(told) or 'are the same'}{left_out}"]
    if told:
        lines.append(_first(comparison))
    lines = [_cut(harmless(line), _LONGEST_LINE) for line in lines]
    if told:
        lines.append(f"at length: {harmless(at_length)}")
    return "".join(f"{line}\n" for line in lines)


def _title(comparison: Comparison) -> str:
    old, new = _versions(comparison)
    return harmless(f"old {old} and new {new}")


def _versions(comparison: Comparison) -> tuple[str, str]:
    versions = (comparison.old_version, comparison.new_version)
    old, new = (shortened(version or "without a version", _LONGEST_NAME) for version in versions)
    return old, new


def _line(change: Change) -> Text:
    line = Text(f"  {harmless(change.sentence())}")
    line.overflow = "fold"
    return line


def _summarised(changes: tuple[Change, ...]) -> Iterator[str]:
    """How many more differences there are, and where most of them are."""
    if not changes:
        return
    groups = Counter(_group(one) for one in changes).most_common()
    yield f"... and {len(changes)} more:"
    yield from (f"    {count} in {harmless(group)}" for group, count in groups[:_MOST_GROUPS])
    if left := sum(count for _, count in groups[_MOST_GROUPS:]):
        yield f"    {left} elsewhere"


def _group(change: Change) -> str:
    if change.what != "output":
        return {"artifact": "artifacts", "evidence": "evidence"}[change.what]
    return _cut("/".join(change.label().split("/")[:_GROUP_SEGMENTS]), _LONGEST_NAME)


def _left_out(comparison: Comparison, *, is_whole: bool) -> Iterator[Text]:
    if not comparison.left_out:
        return
    shown = comparison.left_out[: None if is_whole else _NAMED]
    named = ", ".join(_cut(one.label(), _LONGEST_NAME) for one in shown)
    more = f" and {left} more" if (left := len(comparison.left_out) - len(shown)) else ""
    yield Text(harmless(f"Left out, since it differs between two equal requests to one side: {named}{more}."), "yellow")


def _verdict(comparison: Comparison) -> str:
    """How much differs and how much is equal."""
    changes, failed, left_out = comparison.changes, comparison.failed, comparison.left_out
    counts = [_counted(len(changes), "difference")] if changes else []
    counts += [f"{_counted(len(failed), 'action')} not compared"] if failed else []
    words = ", ".join(counts) or "the same answers"
    words += f", {len(left_out)} left out" if left_out else ""
    equal = Counter(one.what for one in comparison.equal)
    same = ", ".join(_counted(equal[what], noun, plural) for what, noun, plural in _NOUNS if equal[what])
    return f"{words}; equal: {same}" if same else words


def _counted(count: int, noun: str, plural: str = "") -> str:
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def _first(comparison: Comparison) -> str:
    if comparison.failed:
        action, reason = next(iter(comparison.failed.items()))
        return f"{action}: {reason}"
    shown = [f"{one.action} {one.sentence()}" for one in comparison.changes[:_NAMED]]
    left = len(comparison.changes) - len(shown)
    return "; ".join([*shown, *([f"{left} more"] if left else [])])


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
