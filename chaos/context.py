"""Where an experiment acts and whom it tells: the same from our own runner and from plain `chaos run`."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chaos.ledger import Ledger, default_ledger
from journal.errors import Problem, ProfileError
from journal.manifest import Manifest
from journal.profile import Credentials, Profile
from journal.profile import Platform as PlatformProfile
from journal.run_directory import RunDirectory
from probes.target_state import read_target_state

STATE_FILE, BASE_URL, RUN = "GAMEDAY_STATE_FILE", "GAMEDAY_BASE_URL", "GAMEDAY_RUN"
FAULT_ID, EXPERIMENT = "GAMEDAY_FAULT_ID", "GAMEDAY_EXPERIMENT"
REDIS, REDIS_PASSWORD_ENV = "GAMEDAY_REDIS", "GAMEDAY_REDIS_PASSWORD_ENV"  # names of variables
CLIENT_ID_ENV, CLIENT_SECRET_ENV = "GAMEDAY_CLIENT_ID_ENV", "GAMEDAY_CLIENT_SECRET_ENV"


@dataclass(frozen=True, kw_only=True)
class Context:
    """What one experiment needs to know; without a run directory it belongs to no run and tells no timeline.

    `platform` says where faults act, `state_file` is None unless that is this machine.
    """

    ledger: Ledger
    platform: PlatformProfile
    state_file: Path | None
    base_url: str
    run_id: str
    fault_id: str
    experiment: str
    seed: int
    allowed_hosts: tuple[str, ...]
    environment: str
    credentials: Credentials = field(default_factory=Credentials)
    run_directory: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Context":
        """The context that the `GAMEDAY_…` variables describe; what they leave open comes from the run's manifest.

        Raises:
            ProfileError: the target is not named.
            TargetUnreachable: there is no target.
            RunDirectoryError: the run directory has no manifest that can be read.
        """
        run_directory = Path(environment[RUN]).absolute() if environment.get(RUN) else None
        manifest = RunDirectory(run_directory).read_manifest() if run_directory else None
        profile = manifest.profile if manifest else Profile(name="default")
        state_file, base_url = _target(environment, manifest, profile.platform)
        return cls(
            ledger=default_ledger(environment),
            platform=profile.platform,
            state_file=state_file,
            base_url=base_url,
            run_id=manifest.run_id if manifest else f"alone-{secrets.token_hex(4)}",
            fault_id=environment.get(FAULT_ID) or "F1",
            experiment=environment.get(EXPERIMENT, ""),
            seed=manifest.plan.seed if manifest else 1,
            allowed_hosts=profile.allowed_hosts,
            environment=profile.platform.environment,
            credentials=profile.credentials,
            run_directory=run_directory,
        )

    def variables(self) -> dict[str, str]:
        """What hypotheses read from the environment: addresses, and the names of variables that hold secrets."""
        names = {CLIENT_ID_ENV: self.credentials.client_id_env, CLIENT_SECRET_ENV: self.credentials.client_secret_env}
        if self.state_file is not None:
            return {BASE_URL: self.base_url, STATE_FILE: str(self.state_file), REDIS: "", **names}
        redis = self.platform.cluster.redis
        return {
            BASE_URL: self.base_url,
            STATE_FILE: "",
            REDIS: redis.address,
            REDIS_PASSWORD_ENV: redis.password_env,
            **names,
        }


def _target(
    environment: Mapping[str, str], manifest: Manifest | None, platform: PlatformProfile
) -> tuple[Path | None, str]:
    """The target's state file, if its platform has one, and its address."""
    base_url = environment.get(BASE_URL) or (manifest.base_url if manifest else "")
    if platform.kind != "local":
        if not base_url:
            raise ProfileError([Problem("base URL", "is not named", f"set {BASE_URL}")])
        return None, base_url
    state_file = environment.get(STATE_FILE) or platform.state_file
    if not state_file:
        remedy = f"name the file that the target printed when it came up by --state-file, or in {STATE_FILE}"
        raise ProfileError([Problem("state file", "is not named", remedy)])
    state = read_target_state(Path(state_file))
    return Path(state_file).absolute(), base_url or state.url
