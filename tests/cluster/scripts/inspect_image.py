"""In a pod: prints what the image is like, as a JSON object. Usage: the packages of ours that must be importable."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def imports(package: str) -> str:
    """The complaint of a process that imports all modules of a package; nothing when all is well."""
    command = [sys.executable, "-c", IMPORT_ALL, package]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr[-500:]


def can_write(folder: str) -> bool:
    try:
        (Path(folder) / "written").touch()
    except OSError:
        return False
    return True


facts = {
    "user": os.getuid(),
    "python": sys.prefix,
    "writable": [folder for folder in ("/", "/opt/gameday", "/tmp") if can_write(folder)],
    "tools": [tool for tool in ("cc", "gcc", "make", "git") if shutil.which(tool)],
    "version": subprocess.run(["gameday", "--version"], capture_output=True, text=True, check=False).stdout.strip(),
    "complaints": {package: said for package in sys.argv[1:] if (said := imports(package))},
}
print(json.dumps(facts))
