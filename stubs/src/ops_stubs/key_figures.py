"""The key figures of a stub's outputs, as every module gives its own (OPS-FIG-001)."""

from collections.abc import Mapping
from typing import Any

from ops_stubs import noise

__all__ = ["key_figures"]


def key_figures(
    kpis: Mapping[str, float], baseline: Mapping[str, float], *, units: Mapping[str, str], labels: Mapping[str, str]
) -> dict[str, Any]:
    """The five fields of `outputs` for `kpis`; each of the others has a value for each of their keys."""
    return {
        "kpis": dict(kpis),
        "baseline": {name: baseline[name] for name in kpis},
        "change": {name: noise.rounded(value - baseline[name]) for name, value in kpis.items()},
        "units": {name: units[name] for name in kpis},
        "labels": {name: labels[name] for name in kpis},
    }
