"""Takes artifacts from a volume that is shared with modules: copied at once, and nothing but files below its root."""

import os
import stat
from pathlib import Path
from typing import IO, Final

from ops_contract import ArtifactRef
from ops_orchestrator.errors import StepError
from ops_orchestrator.modules.allowance import ByteLimit
from ops_orchestrator.modules.answer import ReceivedArtifact, SharedFile
from ops_orchestrator.modules.daemon_threads import DaemonThreads
from ops_orchestrator.modules.staging import StagedFile, staged_file

_CHUNK_BYTES: Final = 1024 * 1024
_THREADS: Final = DaemonThreads("volume")


async def take(file: SharedFile, module: str, staging: Path | None, limit: ByteLimit) -> ReceivedArtifact:
    """Copy `file` of `module` into a new file in `staging`; with None its bytes are hashed and dropped.

    Raises StepError when it is missing, outside of its root, no plain file, larger than its `limit`, or not what its
    hash says. A caller who is cancelled does not wait for the volume, which may never answer.
    """
    async with staged_file(staging) as target:
        ref = await _THREADS.run(lambda: _copy(file, module, target, limit), interrupt=False)
    return ReceivedArtifact(ref, target.path, file.caption)


def _copy(file: SharedFile, module: str, target: StagedFile, limit: ByteLimit) -> ArtifactRef:
    with _open(file, module) as source:
        while chunk := _read(file, module, source):
            if target.size_bytes + len(chunk) > limit.bytes:
                raise _refused(file, module, f"is larger than the {limit.bytes} bytes {limit.reason}", "ANSWER_TOO_LARGE")
            target.write(chunk)
    target.complete()
    if file.sha256 is not None and target.sha256 != file.sha256:
        raise _refused(file, module, f"has the sha256 {target.sha256}, the answer says {file.sha256}")
    return ArtifactRef(name=file.name, media_type=file.media_type, size_bytes=target.size_bytes, sha256=target.sha256)


def _open(file: SharedFile, module: str) -> IO[bytes]:
    """Open the file for reading. Links are resolved first, and none is followed after that."""
    try:
        root = file.root.resolve()
        resolved = (root / file.path).resolve()
        if root not in resolved.parents:
            remedy = "correct artifacts_root in modules.yaml, or have the expression yield the path as it is mounted here"
            raise _refused(
                file, module, f"is not below artifacts_root, {file.root}, and nothing outside of it is read; {remedy}"
            )
        return os.fdopen(_open_below(root, resolved.relative_to(root).parts), "rb", buffering=0)
    except FileNotFoundError as error:
        raise _refused(
            file, module, f"is not there; is the volume of {module} mounted at its artifacts_root, {file.root}?"
        ) from error
    except IsADirectoryError as error:
        raise _refused(file, module, "is not a plain file") from error
    except (OSError, ValueError, RuntimeError) as error:  # a NUL in the path, a loop of links
        raise _refused(file, module, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _open_below(root: Path, inside: tuple[str, ...]) -> int:
    """A descriptor of the plain file `inside` the folder `root`, even if its module swaps folders for links meanwhile."""
    *folders, name = inside
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        # Not blocking: nobody may ever write into a pipe that lies there.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
    finally:
        os.close(at)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IsADirectoryError(name)
    return descriptor


def _read(file: SharedFile, module: str, source: IO[bytes]) -> bytes:
    try:
        return source.read(_CHUNK_BYTES)
    except OSError as error:
        raise _refused(file, module, f"cannot be read: {error.strerror}") from error


def _refused(file: SharedFile, module: str, reason: str, code: str = "INVALID_ANSWER") -> StepError:
    return StepError.of(module, code, f"names an artifact that cannot be taken: {file.path} {reason}")
