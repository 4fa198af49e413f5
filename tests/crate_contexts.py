"""The two JSON-LD contexts of a crate, as far as our crates use their terms, so that nothing has to be fetched to read one.

The published contexts have thousands of terms more; those here mean the same in them.
"""

from typing import Final

_SCHEMA: Final = """
    ComputerLanguage ControlAction CreateAction CreativeWork Dataset HowTo HowToStep Organization OrganizeAction PropertyValue
    SoftwareApplication SoftwareSourceCode about actionStatus additionalType agent author citation contentSize datePublished
    description encodingFormat endTime error exampleOfWork hasPart identifier instrument keywords license mainEntity mentions
    name object position programmingLanguage propertyID publisher result softwareVersion startTime step unitText url value
    version workExample
"""
_RO_CRATE: Final = {name: f"http://schema.org/{name}" for name in _SCHEMA.split()} | {
    "File": "http://schema.org/MediaObject",
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "conformsTo": "http://purl.org/dc/terms/conformsTo",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}
_WORKFLOW_RUN: Final = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}

CONTEXTS: Final = {
    "https://w3id.org/ro/crate/1.1/context": {"@context": _RO_CRATE},
    "https://w3id.org/ro/terms/workflow-run/context": {"@context": _WORKFLOW_RUN},
}
"""The contexts by address."""

TERMS: Final = frozenset(_RO_CRATE | _WORKFLOW_RUN)
"""What they define."""
