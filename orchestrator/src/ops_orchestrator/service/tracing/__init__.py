"""Runs, steps and attempts as spans of OpenTelemetry, exported by OTLP: the extra `otel`, where OTEL_* variables ask for it."""
