"""The OpenPolicyStack in the tests of a module: the stack, its stubs, runs, and what is asserted of them.

With the package installed, pytest has the fixtures `ops_stack`, `ops_run` and `ops_stub`; `pytest --help` lists their
options. `Run` and `Artifact` are those of `ops_orchestrator`.
"""

from importlib.metadata import version

from ops_harness.assertions import assert_reproducible, assert_same_result
from ops_harness.errors import HarnessError
from ops_harness.replacement import Replacement
from ops_harness.stack import Stack
from ops_harness.stub import Stub
from ops_orchestrator import Artifact, Run

__all__ = [
    "Artifact",
    "HarnessError",
    "Replacement",
    "Run",
    "Stack",
    "Stub",
    "__version__",
    "assert_reproducible",
    "assert_same_result",
]

__version__ = version("openpolicystack-harness")
