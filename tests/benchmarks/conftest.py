import sys

from local_service import ROOT

# Benchmarks are scripts beside each other, and no package.
sys.path.insert(0, str(ROOT / "benchmarks"))
