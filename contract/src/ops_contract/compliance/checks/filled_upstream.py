"""Two earlier steps of modules that nobody looks for, as a request brings them."""

from collections.abc import Mapping
from typing import Any, Final

_UNKNOWN: Final = {"x_unknown": {"a": [1, None]}}
_HASH: Final = "a758fe0075f3ee00b168426c1ccb9301d239bd3d4a2538afa0d3ad2fc25aec5b"
_ARTIFACTS: Final = [
    {"name": "tables/käse 1.csv", "media_type": "text/csv; charset=utf-8", "size_bytes": 19.0, "sha256": _HASH, **_UNKNOWN},
    {"name": "empty.bin", "media_type": "application/octet-stream", "size_bytes": 0, "sha256": _HASH, "title": "Nothing"},
]
_EVIDENCE: Final = [
    {
        "id": "e 1",
        "kind": "dataset",
        "title": "Census",
        "uri": "https://example.org/census",
        "supports": ["/kpis/kit_figure", ""],
        "artifact": "empty.bin",
        "synthetic": True,
        "observed_at": "2026-01-09T12:34:56Z",
        "details": {"rows": 19},
    },
    {"id": "e 2", "kind": "document", "title": "Law", "uri": None, "artifact": None, "synthetic": None, **_UNKNOWN},
]
FILLED_UPSTREAM: Final[Mapping[str, Any]] = {
    "kit-figures": {
        "module": "kit-upstream",
        "outputs": {"kpis": {"kit_figure": 1.5e-7}, "list": [None, True, "\U0001f4c8"], "": {}},
        "artifacts": _ARTIFACTS,
        "evidence": _EVIDENCE,
        **_UNKNOWN,
    },
    "Kit.empty_1": {"module": "kit-upstream-2", "outputs": {}},
}
"""With everything that the schema knows, and unknown fields inside."""
