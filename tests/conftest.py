"""Settings for all tests: the same examples in each run, no failure because the machine is busy, two at a time."""

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")

# whole game days, and what shares a cluster: never two of them at once
ONE_AT_A_TIME = ("tests/e2e/", "tests/cluster/")


class GameDaysApart(LoadScopeScheduling):
    """Tests of one file run in one process, one after the other, and so do all whole game days together."""

    def _split_scope(self, nodeid: str) -> str:
        return "game days" if nodeid.startswith(ONE_AT_A_TIME) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return GameDaysApart(config, log)
