"""Staged failures: stubs that break one requirement of the contract, or whose network does what networks do.

`Faults` is what is staged in one stub, `VIOLATIONS` every requirement that can be broken, `KINDS` every transport fault.
"""

from ops_stubs.faults.staged import Faults
from ops_stubs.faults.syntax import parse_fault
from ops_stubs.faults.transport import KINDS, TransportFault
from ops_stubs.faults.violations import VARIANTS, VIOLATIONS

__all__ = ["KINDS", "VARIANTS", "VIOLATIONS", "Faults", "TransportFault", "parse_fault"]
