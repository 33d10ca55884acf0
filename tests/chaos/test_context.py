"""Where an experiment acts follows from its run's profile; a cluster needs no state file."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.context import Context
from chaos.operation import Operation
from journal.errors import FaultRefused, ProfileError
from journal.manifest import write_manifest
from journal.profile import Cluster, Credentials, Platform, Profile, RedisAddress
from journal.run_directory import RunDirectory
from tests.chaos.scene import fault_states

KUBERNETES = Profile(
    name="test",
    base_url="http://aia-api.aia-system.svc:8000",
    credentials=Credentials(client_id_env="ID", client_secret_env="SECRET"),
    platform=Platform(
        kind="kubernetes",
        environment="gameday",
        cluster=Cluster(redis=RedisAddress(address="aia-redis:6379", password_env="WORD")),
    ),
)


@pytest.fixture
def run_of(tmp_path: Path, run_directory: RunDirectory) -> Callable[[Profile], dict[str, str]]:
    """The environment of an experiment in a run with this profile."""

    def make(profile: Profile) -> dict[str, str]:

        manifest = replace(run_directory.read_manifest(), profile=profile, base_url=profile.base_url or "")
        write_manifest(run_directory.manifest, manifest)
        return {"GAMEDAY_RUN": str(run_directory.path), "GAMEDAY_LEDGER": str(tmp_path), "GAMEDAY_STATE_FILE": ""}

    return make


def test_a_cluster_needs_no_state_file_and_names_what_hypotheses_read(run_of: Callable) -> None:
    context = Context.from_environment(run_of(KUBERNETES))
    assert context.state_file is None
    assert (context.environment, context.base_url) == ("gameday", "http://aia-api.aia-system.svc:8000")
    assert context.variables() == {
        "GAMEDAY_BASE_URL": "http://aia-api.aia-system.svc:8000",
        "GAMEDAY_STATE_FILE": "",
        "GAMEDAY_REDIS": "aia-redis:6379",
        "GAMEDAY_REDIS_PASSWORD_ENV": "WORD",
        "GAMEDAY_CLIENT_ID_ENV": "ID",
        "GAMEDAY_CLIENT_SECRET_ENV": "SECRET",
    }


def test_a_profile_without_a_platform_refuses_every_fault(run_of: Callable, run_directory: RunDirectory) -> None:
    profile = replace(KUBERNETES, platform=Platform(kind="none"))
    operation = Operation(Context.from_environment(run_of(profile)))
    with pytest.raises(FaultRefused, match="platform is 'none'"):
        operation.inject("kill-replica", {})
    assert fault_states(run_directory) == ["refused"]


@pytest.mark.parametrize("profile", [replace(KUBERNETES, base_url=None), Profile(name="local")])
def test_a_target_that_is_named_nowhere_is_told(run_of: Callable, profile: Profile) -> None:
    with pytest.raises(ProfileError, match="is not named"):
        Context.from_environment(run_of(profile))
