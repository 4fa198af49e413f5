"""Run folders in which somebody changed something and made the hashes fit again, as far as they knew how."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ops_contract import sha256_hex
from ops_orchestrator.runs.json_text import json_document, json_line

MANIFEST = "manifest-sha256.txt"
NOT_LISTED = (MANIFEST, "manifest-signature.json")


def seal(folder: Path) -> None:
    """Write the manifest of the folder again."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    listed = (f"{sha256_hex((folder / path).read_bytes())}  {path}\n" for path in paths if path not in NOT_LISTED)
    (folder / MANIFEST).write_text("".join(listed))


def rewrite_log(
    folder: Path, change: Callable[[list[dict[str, Any]]], object] = lambda _: None, *, hashes: bool = True
) -> None:
    """Change the log, make it say the `hashes` that its files have, chain its lines, and seal the folder."""
    events = [json.loads(line) for line in (folder / "logs.jsonl").read_bytes().splitlines()]
    change(events)
    lines: list[bytes] = []
    for event in events:
        for file in event.get("files", ()) if hashes else ():
            content = (folder / file["path"]).read_bytes()
            file |= {"sha256": sha256_hex(content), "size": len(content)}
        if lines:
            event["previous_sha256"] = sha256_hex(lines[-1])
        lines.append(json_line(event).rstrip(b"\n"))
    (folder / "logs.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    seal(folder)


def change_json(folder: Path, name: str, change: Callable[[Any], object]) -> None:
    """Change a JSON document in place."""
    values = json.loads((folder / name).read_bytes())
    change(values)
    (folder / name).write_bytes(json_document(values))


def forge_request(folder: Path) -> None:
    """Change a request, and make everything but the signature fit again."""
    (folder / "steps/1-alpha/request.json").write_text("{}\n")

    def state_new_hash(events: list[dict[str, dict[str, str]]]) -> None:
        events[3]["exchange"]["request_sha256"] = sha256_hex(b"{}\n")

    rewrite_log(folder, state_new_hash)
    events = [json.loads(line) for line in (folder / "logs.jsonl").read_bytes().splitlines()]
    change_json(folder, "run.json", lambda record: record["steps"][0].update(exchange=events[3]["exchange"]))
    rewrite_log(folder)
