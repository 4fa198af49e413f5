"""Files that are not complete yet."""

import secrets
from pathlib import Path
from typing import IO


def new_file(folder: Path) -> IO[bytes]:
    """A new file under a name of its own, open for writing, with the permissions that this process gives its files.

    `tempfile` would make one that only its owner may read, and an artifact keeps what it is made with.
    """
    return (folder / secrets.token_hex(16)).open("xb")
