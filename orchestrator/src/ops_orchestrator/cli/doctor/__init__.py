"""`ops doctor`: whether an orchestrator can work here, and what to do where it cannot."""
