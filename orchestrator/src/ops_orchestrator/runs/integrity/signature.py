"""The signature of a run, and whether it is by somebody whom the caller trusts."""

from collections.abc import Sequence

from ops_orchestrator.runs.integrity.files import CheckedFolder
from ops_orchestrator.runs.public_key import PublicKey
from ops_orchestrator.runs.record import MANIFEST, SIGNATURE


def check_signature(folder: CheckedFolder, trusted: Sequence[PublicKey]) -> PublicKey | None:
    """Check the signature over the manifest; returns the key with which it was made, None when there is no good one."""
    wanted = f"a signature by {' or '.join(key.fingerprint for key in trusted)}" if trusted else f"a signature of {MANIFEST}"
    signature = folder.content(SIGNATURE)
    manifest = None if signature is None else folder.content(MANIFEST)
    if signature is None or manifest is None:
        if trusted:
            folder.findings.add(SIGNATURE, wanted, "no such file")
        return None
    from ops_orchestrator.runs.signing import SignatureError, signed_by  # noqa: PLC0415  # few runs are signed

    try:
        key = signed_by(signature, manifest)
    except SignatureError as error:
        folder.findings.add(SIGNATURE, wanted, str(error))
        return None
    if trusted and key not in trusted:
        folder.findings.add(SIGNATURE, wanted, f"one by {key.fingerprint}")
    return key
