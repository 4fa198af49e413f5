"""Whether spans are exported, as the variables of OpenTelemetry say. Nothing of it is loaded unless they are."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

import structlog

from ops_orchestrator.runs.feed import Consumer

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SPOKEN: Final = "http/protobuf"

_log: Any = structlog.get_logger("ops_orchestrator")


class SpanExport(Consumer, Protocol):
    """Makes spans of the lines of runs, and exports them."""

    def close(self) -> None:
        """Export what is left, for a few seconds at most. Blocking."""
        ...


def span_export(environment: Mapping[str, str]) -> SpanExport | None:
    """What exports spans if `environment` asks for it; None when it does not, or that cannot be, which is logged."""
    if not _is_wanted(environment):
        return None
    if (protocol := _first(environment, _PROTOCOLS)) not in ("", _SPOKEN):
        reason = f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}, and only {_SPOKEN} is spoken"
    else:
        try:
            from ops_orchestrator.service.tracing.spans import ExportedSpans  # noqa: PLC0415  # the extra, which few need

            return ExportedSpans.to_otlp()
        except ImportError:
            reason = "OTEL_* variables ask for them, and a library is missing: install openpolicystack-orchestrator[otel]"
        except ValueError as error:
            reason = str(error)
    _log.warning("traces.not_exported", message=f"no spans are exported: {reason}")
    return None


def _is_wanted(environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = environment.get("OTEL_TRACES_EXPORTER", "").strip()
    return exporters == "otlp" or (not exporters and bool(_first(environment, _ENDPOINTS)))


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((environment[name].strip() for name in names if environment.get(name, "").strip()), "")
