"""Where an experiment acts and whom it tells: the same from our own runner and from plain `chaos run`."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chaos.ledger import Ledger, default_ledger
from journal.errors import Problem, ProfileError
from journal.profile import Profile
from journal.run_directory import RunDirectory
from probes.target_state import read_target_state

STATE_FILE, BASE_URL, RUN, LEDGER = "GAMEDAY_STATE_FILE", "GAMEDAY_BASE_URL", "GAMEDAY_RUN", "GAMEDAY_LEDGER"
FAULT_ID, EXPERIMENT = "GAMEDAY_FAULT_ID", "GAMEDAY_EXPERIMENT"


@dataclass(frozen=True, kw_only=True)
class Context:
    """What one experiment needs to know; without a run directory it belongs to no run and tells no timeline."""

    ledger: Ledger
    state_file: Path
    base_url: str
    run_id: str
    fault_id: str
    experiment: str
    seed: int
    allowed_hosts: tuple[str, ...]
    environment: str
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
        state_file = environment.get(STATE_FILE) or profile.platform.state_file
        if not state_file:
            remedy = f"set {STATE_FILE} to the file that the target printed when it came up"
            raise ProfileError([Problem("state file", "is not named", remedy)])
        base_url = environment.get(BASE_URL) or (manifest.base_url if manifest else "")
        state = read_target_state(Path(state_file))
        return cls(
            ledger=default_ledger(environment),
            state_file=Path(state_file).absolute(),
            base_url=base_url or state.url,
            run_id=manifest.run_id if manifest else f"alone-{secrets.token_hex(4)}",
            fault_id=environment.get(FAULT_ID) or "F1",
            experiment=environment.get(EXPERIMENT, ""),
            seed=manifest.plan.seed if manifest else 1,
            allowed_hosts=profile.allowed_hosts,
            environment=profile.platform.environment,
            run_directory=run_directory,
        )
