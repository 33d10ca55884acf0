"""Which journeys run where no plan says so; asked in a process of its own, since Locust patches the one it is in."""

import json
import subprocess
import sys

import pytest

ASK = """
import json
from load.journey import Journey
from load.mix import mix_of

class Always(Journey):
    abstract, weight = True, 2

class Asked(Journey):
    abstract, weight, runs_unasked = True, 3, False

print(json.dumps(mix_of({name: {"always": Always, "asked": Asked}[name] for name in NAMES})))
"""


@pytest.mark.parametrize(
    ("loaded", "mix"),
    [
        (["always", "asked"], {"always": 2, "asked": 0}),
        (["always"], {"always": 2}),
        (["asked"], {"asked": 3}),
    ],
)
def test_a_journey_that_runs_only_when_asked_for_runs_alone_and_else_not(loaded: list[str], mix: dict[str, int]):
    command = [sys.executable, "-P", "-c", ASK.replace("NAMES", repr(loaded))]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == mix
