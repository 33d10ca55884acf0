"""Applies what the command line says on top of plan and profile."""

from dataclasses import dataclass, replace
from pathlib import Path

from journal.errors import CommandError, Problem
from journal.plan import Plan
from journal.profile import Profile
from probes.target_state import read_target_state


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """Options of one command; empty values leave the files' own."""

    state_file: str = ""
    seed: int | None = None
    defects: tuple[str, ...] = ()


def overridden(plan: Plan, profile: Profile, overrides: Overrides) -> tuple[Plan, Profile]:
    """Plan and profile with the options applied.

    Raises:
        CommandError: a defect is to be planted in a target that is not ours to start.
        TargetUnreachable, ProfileError: the state file names no running target.
    """
    if overrides.seed is not None:
        plan = replace(plan, seed=overrides.seed)
    if overrides.state_file:
        platform = replace(profile.platform, state_file=overrides.state_file)
        url = read_target_state(Path(overrides.state_file)).url
        profile = replace(profile, base_url=url, platform=platform)
    if overrides.defects and profile.base_url is not None:
        remedy = "start the target with `gameday target up --defect …` instead"
        raise CommandError([Problem("--defect", "can be planted only in the embedded target of this run", remedy)])
    if overrides.defects:
        embedded = replace(profile.embedded, defects=(*profile.embedded.defects, *overrides.defects))
        profile = replace(profile, embedded=embedded)
    return plan, profile
