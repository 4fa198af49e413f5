"""The OpenPolicyStack orchestrator: calls modules in sequence and leaves reproducible run folders."""

from importlib.metadata import version

__version__ = version("openpolicystack-orchestrator")
