"""The orchestrator as an HTTP service."""
