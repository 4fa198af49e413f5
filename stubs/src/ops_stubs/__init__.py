"""Stand-ins for the modules of OpenPolicyStack: they follow the contract to the letter and make their numbers up."""

from importlib.metadata import version

__version__ = version("openpolicystack-stubs")
"""The version of the package and of every stub in it."""
