"""Writes the results of benchmarks into `benchmarks/README.md`: each has a section of its own, between two markers."""

import os
import platform
import time
from pathlib import Path

README = Path(__file__).with_name("README.md")
_HEAD = "# Measurements\n\nWritten by the benchmarks themselves (`make bench`); each section says on what machine.\n"


def write_section(name: str, title: str, content: str, readme: Path = README) -> None:
    """Replaces the section `name`, or adds it at the end; all else stays as it is."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    text = readme.read_text(encoding="utf-8") if readme.exists() else _HEAD
    section = f"{begin}\n## {title}\n{_machine()}\n\n{content}\n{end}"
    before, found, rest = text.partition(begin)
    after = rest.partition(end)[2] if found else "\n"
    start = before if found else f"{text.rstrip()}\n\n"
    readme.write_text(f"{start}{section}{after}", encoding="utf-8")


def _machine() -> str:
    day, system = time.strftime("%Y-%m-%d", time.gmtime()), f"{platform.system()} {platform.release()}"
    return f"{day}, {os.cpu_count()} cores, {system}, Python {platform.python_version()}."
