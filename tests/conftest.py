"""Settings for all tests: the same examples in each run, no failure because the machine is busy, two at a time."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")

TESTS = Path(__file__).parent
# whole game days, and what shares a cluster: never two of them at once
ONE_AT_A_TIME = ("e2e", "cluster")


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in its own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says which tests run in the same process, one after the other: those of a file, and all whole game days."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        group = "game days" if folder in ONE_AT_A_TIME else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
