"""Owners: a reaper acts early only when it knows for certain that nobody is left to act."""

import os

import psutil
import pytest

from chaos.owner import Standing, machine, no_pods, owner_for_elsewhere, process_owner, standing_of
from tests.chaos.scene import incarnation_of


def test_a_process_lives_as_long_as_it_runs(sleeper: psutil.Process) -> None:
    owners = [incarnation_of(sleeper), f"host:{machine()}/{incarnation_of(sleeper)}"]
    assert [standing_of(owner, no_pods) for owner in owners] == [Standing.LIVES] * 2
    sleeper.kill()
    sleeper.wait()
    assert [standing_of(owner, no_pods) for owner in owners] == [Standing.GONE] * 2


@pytest.mark.parametrize("owner", ["host:elsewhere/1@1.00", "pod:ns/name@uid", "host:", "pod:", "x@y", "", "1"])
def test_nothing_is_known_of_an_owner_that_cannot_be_looked_for(owner: str) -> None:
    assert standing_of(owner, no_pods) is Standing.UNKNOWN


def test_a_pod_is_asked_for_by_its_namespace_name_and_uid() -> None:
    asked = []

    def lives(*names: str) -> Standing:
        asked.append(names)
        return Standing.LIVES

    owner = owner_for_elsewhere({"NAMESPACE": "ns", "POD_NAME": "conductor-0", "POD_UID": "u-1"})
    assert standing_of(owner, lives) is Standing.LIVES
    assert asked == [("ns", "conductor-0", "u-1")]


def test_outside_of_a_pod_a_process_names_its_machine() -> None:
    owner = owner_for_elsewhere({"NAMESPACE": "ns", "POD_NAME": "", "POD_UID": "u-1"})
    assert owner == f"host:{machine()}/{process_owner()}"
    assert process_owner().startswith(f"{os.getpid()}@")
