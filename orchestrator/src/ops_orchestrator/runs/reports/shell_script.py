"""A run as a shell script that calls its modules with curl, one after the other, without the orchestrator."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ops_contract import MASK
from ops_orchestrator.excerpt import one_line
from ops_orchestrator.modules.trace_context import TRACE_HEADER
from ops_orchestrator.runs.record import RECORD, REQUEST, RunRecord, StepRecord
from ops_orchestrator.runs.registered_modules import registered_modules
from ops_orchestrator.runs.reports.ended_run import ended_record
from ops_orchestrator.runs.reports.recorded_calls import Body, RecordedCall, fetches_artifacts, recorded_call
from ops_orchestrator.runs.store.protocols import StoredRun

_HEAD: Final = """\
#!/bin/sh
# {title}, as calls of its modules with curl.
#
#     sh run.sh [FOLDER]
#
# Puts the answers into FOLDER, "answers" unless given. The requests are the recorded ones with a new run id: what they hold
# of earlier answers is what those were then, whatever the modules answer now. The script ends at the first call that fails.
# It needs curl 7.76 or later{jq}.
"""
_BEGIN: Final = """\
set -eu
export LC_ALL=C

need() { # VARIABLE VALUE WHAT: end unless the variable has a value
  [ -n "$2" ] || { printf 'set %s: %s\\n' "$1" "$3" >&2; exit 2; }
}

ANSWERS=${1:-answers}
RUN_ID="run_$(date -u +%Y-%m-%dT%H-%M-%SZ)_$(od -An -N3 -tx1 /dev/urandom | tr -d ' \\n')"
"""
_FETCH: Final = """\
# The artifacts that the answer names by their addresses.
jq -r '.artifacts | to_entries[] | select(.value.href // "" | test("^[!-~]+$")) | "\\(.key + 1) \\(.value.href)"' \\
  "$ANSWERS/{number}-response.json" |
  while read -r position href; do
    curl --fail-with-body --silent --show-error --globoff \\
      --url "${{{variable}%/}}/${{href#/}}" --output "$ANSWERS/{number}-artifact-$position"
  done
"""
_END: Final = "END_OF_REQUEST"
_RUN_ID: Final = '"$RUN_ID"'
_NOT_IN_NAME: Final = re.compile(r"[^A-Z0-9]+")


def shell_script(run: StoredRun) -> str:
    """The calls of `run` as a POSIX shell script. Raises ConflictError for a run that is not over, StoreError.

    Whatever the run holds is quoted. A secret that the record masks, and a large request, are taken from variables and files
    that the script names.
    """
    record = ended_record(run, "a script")
    registered, files = registered_modules(run), frozenset(run.files())
    calls = [(step, recorded_call(run, record, step, registered.get(step.module), files)) for step in record.steps]
    fetched = frozenset(step.step for step, call in calls if call is not None and fetches_artifacts(run, call))
    script = _Script(record, _variables(step.module for step in record.steps), calls, fetched)
    return "\n".join(script.parts())


@dataclass(frozen=True)
class _Script:
    """A script in the making; `variables` has the variable for the address of each module.

    `fetched` has the numbers of the steps whose answers named artifacts by their addresses.
    """

    record: RunRecord
    variables: Mapping[str, str]
    calls: Sequence[tuple[StepRecord, RecordedCall | None]]
    fetched: frozenset[int]

    def parts(self) -> Iterator[str]:
        """The script in parts, between which are empty lines."""
        made = [call for _, call in self.calls if call is not None]
        jq = ", and jq for the artifacts" if self.fetched else ""
        yield _HEAD.format(title=one_line(f"{self.record.run_id}, a run of {self.record.scenario_id}"), jq=jq) + _BEGIN
        yield "".join(["# Where the modules are.\n", *self._addresses(made)])
        yield "".join([*self._needs(made), 'mkdir -p "$ANSWERS"\n'])
        for step, call in self.calls:
            yield from self._not_called(step) if call is None else self._call(call)
        yield "printf 'the answers are in %s\\n' \"$ANSWERS\" >&2\n"

    def _addresses(self, made: Iterable[RecordedCall]) -> Iterator[str]:
        known = {call.step.module: call.address for call in reversed([*made])}
        for module, variable in self.variables.items():
            if module not in known:
                continue
            if (address := known[module]) and MASK not in address:
                yield f'[ -n "${{{variable}:-}}" ] || {variable}={_quoted(address)}\n'
            else:
                yield _need(variable, f"the record does not say where {module} is")

    def _needs(self, made: Iterable[RecordedCall]) -> Iterator[str]:
        """Checks of all that is needed later, before the first call."""
        for call in made:
            for variable, what in _secrets(call):
                yield _need(variable, what)
        if any(call.body and call.body.content is None and not call.body.lacks_secret for call in made):
            yield "RUN_FOLDER=${RUN_FOLDER:-.}\n"
            yield f'[ -f "$RUN_FOLDER/{RECORD}" ] || need RUN_FOLDER "" {_quoted(f"to the folder of {self.record.run_id}")}\n'

    def _not_called(self, step: StepRecord) -> Iterator[str]:
        yield f"# {_title(step)}: there is no request of it in the record; it is {step.status}.\n"

    def _call(self, call: RecordedCall) -> Iterator[str]:
        number, address = call.step.step, f'"${{{self.variables[call.step.module]}%/}}"'
        words = ["curl --fail-with-body --silent --show-error --globoff --path-as-is"]
        words += [f"--max-time {call.timeout_s:g}"] if call.timeout_s else []
        words += [f"--request {_quoted(call.method)}", f"--url {address}{self._target(call)}"]
        # The call is made in another run, and so in another trace.
        headers = {name: value for name, value in call.headers.items() if name != TRACE_HEADER}
        words += [f"--header {self._header(call, name, value)}" for name, value in headers.items()]
        words += [f'--data-binary "@$ANSWERS/{number}-{call.body.name}"'] if call.body else []
        words += [f'--output "$ANSWERS/{_answer(call)}"']
        body = self._body(call, call.body) if call.body else ""
        yield (
            f"# {_title(call.step)}.\nprintf '%s\\n' {_quoted(_title(call.step))} >&2\n{body}" + " \\\n  ".join(words) + "\n"
        )
        if number in self.fetched:
            yield _FETCH.format(number=number, variable=self.variables[call.step.module])

    def _target(self, call: RecordedCall) -> str:
        return f'"${_target_variable(call)}"' if MASK in call.target else self._with_run_id(call.target)

    def _header(self, call: RecordedCall, name: str, value: str) -> str:
        if MASK in value:
            return f'{_quoted(f"{name}: ")}"${_header_variable(call, name)}"'
        # curl sends a header without a value only when it is written so.
        return self._with_run_id(f"{name}: {value}" if value else f"{name};")

    def _with_run_id(self, text: str) -> str:
        return _RUN_ID.join(_quoted(part) if part else "" for part in text.split(self.record.run_id))

    def _body(self, call: RecordedCall, body: Body) -> str:
        # The contract has the run id near the beginning of a request, and earlier answers, which are to stay, behind it.
        every = "g" if call.is_adapted else ""
        # A body that is not text must not go through sed where nothing is to be replaced.
        replace = f'sed "s/{self.record.run_id}/$RUN_ID/{every}"' if body.has_run_id or body.name == REQUEST else "cat"
        target = f'>"$ANSWERS/{call.step.step}-{body.name}"'
        if body.lacks_secret:
            return f'{replace} <"${_body_variable(call)}" {target}\n'
        if body.content is None:
            return f'{replace} <"$RUN_FOLDER"/{_quoted(body.file)} {target}\n'
        # No line of JSON is a bare word, so that the text cannot end early.
        return f"{replace} {target} <<'{_END}'\n{body.content.decode().rstrip()}\n{_END}\n"


def _variables(modules: Iterable[str]) -> dict[str, str]:
    """A variable for the address of each module, such as POLICY_SIMULATOR_URL."""
    taken: dict[str, str] = {}
    for module in modules:
        base = _NOT_IN_NAME.sub("_", module.upper()).strip("_") or "MODULE"
        name = base if base[0].isalpha() else f"MODULE_{base}"
        while f"{name}_URL" in taken.values() and module not in taken:
            name += "_"
        taken.setdefault(module, f"{name}_URL")
    return taken


def _secrets(call: RecordedCall) -> Iterator[tuple[str, str]]:
    """The variables for what the record masks, and what each is for."""
    step = f"step {call.step.step}"
    if MASK in call.target:
        yield _target_variable(call), f"to path and query of {step}, recorded as {call.target}"
    for name, value in call.headers.items():
        if MASK in value:
            yield _header_variable(call, name), f"to the header {name} of {step}, recorded as {value}"
    if call.body and call.body.lacks_secret:
        what = f"to a copy of {call.body.file} of the run, with the secret in the place of {MASK}"
        yield _body_variable(call), what


def _target_variable(call: RecordedCall) -> str:
    return f"STEP_{call.step.step}_TARGET"


def _header_variable(call: RecordedCall, name: str) -> str:
    return f"STEP_{call.step.step}_HEADER_{_NOT_IN_NAME.sub('_', name.upper())}"


def _body_variable(call: RecordedCall) -> str:
    return f"STEP_{call.step.step}_BODY"


def _need(variable: str, what: str) -> str:
    return f'need {variable} "${{{variable}:-}}" {_quoted(one_line(what))}\n'


def _answer(call: RecordedCall) -> str:
    return f"{call.step.step}-response" + ("" if call.is_adapted else ".json")


def _title(step: StepRecord) -> str:
    return one_line(f"Step {step.step}, {step.id}: {step.module}, {step.action}")


def _quoted(text: str) -> str:
    return shlex.quote(text)
