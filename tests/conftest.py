"""Settings for all tests: the same examples in each run, and no test that fails because the machine is busy."""

from hypothesis import settings

settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")
