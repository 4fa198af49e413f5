"""`POST /archive/execute` of the legacy service: lists what it gets in files on a volume that others mount, too.

It follows the older form of the integration: `module_name`, `output`, a status "failure" inside a 200, files given by their
path on the shared volume. And it is careless: every run writes to the same two names.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["ARCHIVE", "DEFAULT_SHARED_DIR", "archive"]

DEFAULT_SHARED_DIR: Final = Path("/var/openpolicystack/artifacts")
"""Where the shared volume is mounted by default."""

ARCHIVE: Final = {"module_name": "archive", "version": "0.9.2"}
"""How the service names itself in all of its answers."""


def archive(body: Mapping[str, Any], shared_dir: Path) -> dict[str, Any]:
    """List the documents under `inputs` (or `input`) by size and sha256 in two files below `shared_dir`/archive/.

    Answers the older envelope. Raises OSError when the files cannot be written.
    """
    documents = body.get("inputs") or body.get("input")
    if not isinstance(documents, dict) or not documents:
        return {**ARCHIVE, "status": "failure", "output": {"error": "nothing to archive"}, "artifacts": []}
    entries = [_entry(name, documents[name]) for name in sorted(documents)]
    total = sum(entry["bytes"] for entry in entries)
    note = "Written by a stub of OpenPolicyStack; nothing is kept but these lines."
    summary = json.dumps({"note": note, "documents": entries, "bytes": total}, ensure_ascii=False, indent=2) + "\n"
    index = "".join(f"{entry['sha256']}  {entry['bytes']:>8}  {_line(entry['name'])}\n" for entry in entries)
    folder = shared_dir / "archive"
    _make_folder(folder)
    listed = [
        {
            "module_name": ARCHIVE["module_name"],
            "file_path": str(_write(folder / "summary.json", summary.encode())),
            "hash": hashlib.sha256(summary.encode()).hexdigest(),
            "type": "json",
        },
        # Without a hash, which is optional in that form.
        {
            "module_name": ARCHIVE["module_name"],
            "file_path": str(_write(folder / "index.txt", index.encode())),
            "type": "text",
        },
    ]
    return {**ARCHIVE, "status": "success", "output": {"documents": len(entries), "bytes": total}, "artifacts": listed}


def _entry(name: str, document: object) -> dict[str, Any]:
    content = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _line(name: str) -> str:
    return " ".join(name.split())


def _make_folder(folder: Path) -> None:
    """Make `folder` and what is missing above it; modes are set, because a umask would shut out the user who reads."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        path.chmod(0o755)


def _write(path: Path, content: bytes) -> Path:
    """Write the whole file or nothing, readable for everybody."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
