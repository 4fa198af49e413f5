"""The judge of run folders itself: it finds nothing in a good one, and every contradiction that is put into a copy of it."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from reliability.folder_agreement import contradictions, disagreements, left_over, unverified
from reliability.service_home import STEPS, ServiceHome, module_server

pytestmark = pytest.mark.slow

Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a run that completed."""
    with module_server() as modules:
        home = ServiceHome(tmp_path_factory.mktemp("agreement") / "home", modules)
        with home.serving() as (_, url):
            assert url is not None
            assert home.ask(url, *STEPS) is not None
            yield next(home.runs.glob("run_*"))


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / kept.name))


def test_folder_of_a_completed_run_agrees_with_itself(folder: Path) -> None:
    assert disagreements(folder) == []
    assert left_over(folder.parent) == []


def put(document: str, *path: str | int, value: object) -> Change:
    """Put `value` at `path` in a JSON document."""

    def change(folder: Path) -> None:
        content = json.loads((folder / document).read_bytes())
        place = content
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
        (folder / document).write_text(json.dumps(content))

    return change


def edit_log(edit: Callable[[list[bytes]], list[bytes]]) -> Change:
    def change(folder: Path) -> None:
        lines = (folder / "logs.jsonl").read_bytes().splitlines(keepends=True)
        (folder / "logs.jsonl").write_bytes(b"".join(edit(lines)))

    return change


CONTRADICTIONS: dict[str, tuple[Change, str]] = {
    "no manifest": (lambda folder: (folder / "manifest-sha256.txt").unlink(), "manifest-sha256.txt: is missing"),
    "torn line": (edit_log(lambda lines: [*lines[:-1], lines[-1][:-9]]), "its last line has no end"),
    "line twice": (edit_log(lambda lines: [lines[0], *lines]), "seq is"),
    "line of another chain": (
        edit_log(lambda lines: [lines[0], lines[1].replace(b"run started", b"run begun"), *lines[2:]]),
        "logs.jsonl:3: refers to",
    ),
    "line after the end": (edit_log(lambda lines: [*lines, lines[1]]), "logs.jsonl: ends with"),
    "no end": (edit_log(lambda lines: lines[:-1]), "logs.jsonl: leaves the run running"),
    "other status": (put("run.json", "status", value="interrupted"), "run.json: status is 'interrupted'"),
    "other attempts": (put("run.json", "steps", 2, "attempts", value=1), "run.json: attempts of retried is 1"),
    "step under way": (put("run.json", "steps", 1, "status", value="running"), "run.json: status of inline"),
    "other outputs": (put("results.json", "steps", "inline", "outputs", value={"found": 1}), "the flat form of inline"),
    "no results of a step": (put("results.json", "results", value={}), "results.json: results has []"),
    "other result": (put("run.json", "steps", 0, "result", value="0" * 64), "run.json: result of fetched"),
    "other result of the run": (put("run.json", "fingerprints", "result", value=None), "fingerprint of the result"),
    "other recipe": (put("run.json", "fingerprints", "recipe", value="0" * 64), "fingerprint of the recipe"),
    "no artifact": (lambda folder: (folder / "artifacts/inline/figures.csv").unlink(), "figures.csv: is missing"),
    "other artifact": (
        lambda folder: (folder / "artifacts/inline/figures.csv").write_text("x"),
        "figures.csv: has other bytes",
    ),
    "file of nobody": (lambda folder: shutil.copytree(folder / "steps/1-fetched", folder / "steps/9-nobody"), "left over"),
    "staging": (lambda folder: (folder / ".staging").mkdir(), "left over: .staging"),
    "file without a hash": (lambda folder: (folder / "artifacts/inline/more").touch(), "lists other files than there are"),
    "record without steps": (put("run.json", "steps", value=None), "a document lacks"),
    "changed file": (lambda folder: (folder / "steps/1-fetched/request.json").write_text("{}"), "FAILED"),
}


@pytest.mark.parametrize("contradiction", CONTRADICTIONS)
def test_contradiction_is_found(folder: Path, contradiction: str) -> None:
    change, expected = CONTRADICTIONS[contradiction]
    change(folder)
    assert expected in "\n".join(contradictions(folder))
    # Verification reads files, and an empty folder has none.
    assert unverified(folder) or contradiction == "staging"


def test_half_made_folder_is_left_over(folder: Path) -> None:
    folder.rename(folder.with_name(f".new-{folder.name}"))
    assert left_over(folder.parent) == [f".new-{folder.name}"]
