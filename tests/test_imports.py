"""Modules can be imported in any order: nothing is said, and nothing must have been imported before."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("analysis", "benchmarks", "chaos", "gameday", "journal", "k8s", "load", "locustfiles", "probes", "target")
IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
names = sorted(module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."))
for name in names if sys.argv[2] == "forwards" else reversed(names):
    if not name.endswith("__main__"):
        importlib.import_module(name)
"""


@pytest.mark.parametrize("order", ["forwards", "backwards"])
@pytest.mark.parametrize("package", PACKAGES)
def test_importing_all_modules_of_a_package_says_nothing(package: str, order: str) -> None:
    command = [sys.executable, "-c", IMPORT_ALL, package, order]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
