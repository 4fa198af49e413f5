"""What `ops`, `ops-contract` and `ops-stubs` have in common, as processes on real pipes, files and locales."""

import os
import pty
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from command_line import rest_of
from local_service import ROOT, command, environment

COMMANDS = {"ops": "orchestrator", "ops-contract": "contract", "ops-stubs": "stubs"}
# One command of each that prints and needs nothing else.
PRINTING = {
    "ops": ("plan", str(ROOT / "examples" / "all-modules.json")),
    "ops-contract": ("list",),
    "ops-stubs": ("faults",),
}
pytestmark = pytest.mark.slow

every_command = pytest.mark.parametrize("name", COMMANDS)


def ran(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    given = environment(OPS_MODULES_FILE=str(ROOT / "modules.yaml"), **variables)
    return subprocess.run(
        [command(words[0]), *words[1:]],
        cwd=folder,
        env=given,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def printed_to(target: int, name: str) -> subprocess.CompletedProcess[str]:
    """A command that prints to the file descriptor `target`, which is closed here."""
    try:
        words = [command(name), *PRINTING[name]]
        given = environment(OPS_MODULES_FILE=str(ROOT / "modules.yaml"))
        return subprocess.run(words, env=given, stdout=target, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(target)


@every_command
def test_version_is_that_of_the_package(tmp_path: Path, name: str) -> None:
    expected = version(f"openpolicystack-{COMMANDS[name]}")
    assert ran(tmp_path, name, "--version").stdout == f"{name} {expected}\n"


@every_command
def test_help_has_a_short_form_and_names_the_completion(tmp_path: Path, name: str) -> None:
    shown = ran(tmp_path, name, "-h")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"Usage: {name} ")
    assert "--install-completion" in shown.stdout
    assert "..." not in shown.stdout.partition("Commands:")[2]


def test_value_of_an_option_is_judged_in_plain_words(tmp_path: Path) -> None:
    status = ran(tmp_path, "ops", "runs", "list", "--status", "complete").stderr
    port = ran(tmp_path, "ops-stubs", "serve", "--port", "eighty").stderr
    assert status.startswith("ops: invalid value for '--status': 'complete' is not one of 'queued', 'running', ")
    assert "must be a valid integer" in port


@every_command
def test_usage_error_is_one_sentence(tmp_path: Path, name: str) -> None:
    shown = ran(tmp_path, name, "hlep")
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr == f"{name}: no such command 'hlep'. See `{name} --help`.\n"


@every_command
def test_reader_that_stops_reading_ends_the_command_quietly(name: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    shown = printed_to(writer, name)
    assert (shown.returncode, shown.stderr) == (141, "")


@every_command
def test_full_disk_below_the_output_is_one_sentence(name: str) -> None:
    shown = printed_to(os.open("/dev/full", os.O_WRONLY), name)
    assert (shown.returncode, shown.stderr) == (2, f"{name}: cannot write the output: No space left on device\n")


@every_command
def test_closed_output_is_no_bug(name: str) -> None:
    words = ["sh", "-c", '"$@" >&-', "sh", command(name), *PRINTING[name]]
    shown = subprocess.run(words, env=environment(), cwd=ROOT, capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stderr) == (0, "")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@every_command
def test_terminal_that_is_not_utf_8_is_shown_what_it_can_show(tmp_path: Path, name: str, encoding: str) -> None:
    ours, theirs = pty.openpty()
    given = environment(PYTHONUTF8="0", PYTHONIOENCODING=encoding, OPS_MODULES_FILE=str(ROOT / "modules.yaml"))
    (tmp_path / "日本.json").write_text("{")
    words = {"ops": ("plan", "日本.json"), "ops-contract": ("check", "日本"), "ops-stubs": ("serve", "日本")}[name]
    with subprocess.Popen([command(name), *words], cwd=tmp_path, env=given, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = rest_of(ours).decode(encoding)
    assert process.returncode == 2
    assert "????" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (".", "cannot read .: Is a directory"),
        ("gone.json", "cannot read gone.json: No such file or directory"),
        ("/dev/zero", "cannot read /dev/zero: it has more than 67,108,864 bytes"),
        ("README.md", "README.md is not a scenario: this is not JSON as it should be: Expecting value at line 1 column 1."),
        ("latin.json", "latin.json is not a scenario: this is not JSON as it should be: the text is not UTF-8"),
    ],
)
def test_file_that_is_no_scenario_is_named_with_the_reason(tmp_path: Path, file: str, reason: str) -> None:
    (tmp_path / "README.md").write_text("# Read me")
    (tmp_path / "latin.json").write_bytes('{"scenario_id": "Español"}'.encode("latin-1"))
    shown = ran(tmp_path, "ops", "run", file)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr.startswith(f"ops: {reason}")


def completed(folder: Path, *words: str) -> list[str]:
    """What the shell offers for the last of `words`."""
    variable = f"_{words[0].upper().replace('-', '_')}_COMPLETE"
    typed = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    shown = ran(folder, words[0], **{variable: "complete_bash"}, **typed)
    assert shown.stderr == ""
    return shown.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("ops modules show pol", ["policy-simulator"]),
        ("ops modules try policy-simulator --action e", ["execute"]),
        ("ops runs show ", ["latest", "run_2026-01-09T12-34-56Z_ab12cd"]),
        ("ops modules try policy-simulator --run l", ["latest"]),
        ("ops runs cancel la", ["latest"]),
        ("ops runs list --status int", ["interrupted"]),
        ("ops-contract explain OPS-EVD-00", ["OPS-EVD-001", "OPS-EVD-002", "OPS-EVD-003"]),
        ("ops-contract init --lang ", ["node", "python"]),
        ("ops-stubs serve mon", ["monitor"]),
        ("ops-stubs serve --violate OPS-EVD-001", ["OPS-EVD-001"]),
        ("ops-stubs serve --fault lat", ["latency"]),
    ],
)
def test_shell_completes_names(tmp_path: Path, words: str, offered: list[str]) -> None:
    (tmp_path / "runs" / "run_2026-01-09T12-34-56Z_ab12cd").mkdir(parents=True)
    assert completed(tmp_path, *words.split(" ")) == offered


def test_completion_that_fails_offers_nothing_and_says_nothing(tmp_path: Path) -> None:
    assert completed(tmp_path, "ops", "runs", "show", "") == []
