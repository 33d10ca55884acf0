"""What `gameday check` prints: what a plan would do, and how well its gates could decide."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.words import counted, duration
from gameday.data_files import read_rows
from gameday.forecast import GateForecast, roomy
from gameday.locust_processes import journeys_folder
from journal.errors import GamedayError
from journal.plan import Plan
from journal.profile import Profile
from journal.profile_journeys import DataMode
from probes.target_state import read_target_state

_GIVEN_OUT: dict[DataMode, str] = {
    "unique": "one for each user",
    "once": "one for each pass, and each only once",
    "random": "any of them for each pass",
}


@dataclass(frozen=True)
class Checked:
    """A plan and a profile that fit together, with the forecast of each gate."""

    plan: Plan
    profile: Profile
    forecasts: Sequence[GateForecast]
    in_flight: float = 0.0

    @property
    def undecidable(self) -> list[GateForecast]:
        """The required gates that cannot pass for want of samples."""
        return [forecast for forecast in self.forecasts if forecast.required and not forecast.decides]


def check_lines(checked: Checked) -> Iterator[str]:
    """The report as lines of text."""
    plan, load = checked.plan, checked.plan.load
    yield f"plan      {plan.name}: {plan.description}".rstrip(": ")
    yield f"target    {_target(checked.profile)}"
    workers = counted(load.workers, "worker")
    yield f"load      {load.words}; warm-up {load.warm_up_s:g} s of that, {workers}, seed {plan.seed}"
    yield f"journeys  {', '.join(f'{name} × {weight}' for name, weight in load.mix.items() if weight)}"
    if load.arrivals is not None:
        wanted, allowed = roomy(checked.in_flight, load.workers), load.arrivals.max_in_flight
        short = f"; chance may take {wanted}, and what finds none free is dropped" if allowed < wanted else ""
        yield f"in flight about {checked.in_flight:.0f} passes at the height of the load, {allowed} are allowed{short}"
    for name, rows in read_rows(checked.profile, []).items():
        yield f"data      {name}: {len(rows):,} rows, {_GIVEN_OUT[checked.profile.data[name].mode]}"
    for name, variable in checked.profile.secret_variables().items():
        set_here = "is set" if os.environ.get(variable) else "is not set here"
        yield f"secret    ${{{name}}} from the environment variable {variable}, which {set_here}"
    for fault in plan.faults:
        settings = ", ".join(f"{key} {value}" for key, value in fault.configuration.items())
        yield f"fault     {fault.id} {fault.experiment} at {fault.at_s:g} s of the load  {settings}".rstrip()
        yield f"          {_candidates(checked.profile)}; recovery within {fault.recovery_s:g} s"
    for storm in load.storms:
        yield f"storm     {storm.id} {storm.name} at {storm.at_s:g} s of the load: {storm.words}"
        yield f"          everybody back within {storm.over_within_s:g} s"
    yield ""
    yield from _forecast_lines(checked)


def _target(profile: Profile) -> str:
    if profile.base_url is None:
        wanted = profile.embedded
        return f"{profile.name}: starts {wanted.replicas} API replicas and {wanted.workers} agent workers on loopback"
    return f"{profile.name}: {profile.base_url} (allowed hosts: {', '.join(profile.allowed_hosts)})"


def _candidates(profile: Profile) -> str:
    """The processes that faults could reach, as far as they are known before the start."""
    if profile.platform.kind == "kubernetes":
        cluster = profile.platform.cluster
        return f"acts on pods of {cluster.namespace}: {cluster.api_selector} or {cluster.redis_selector}"
    if profile.base_url is None:
        return f"acts on one of api-0 to api-{profile.embedded.replicas - 1}, or on redis, as the experiment says"
    try:
        state = read_target_state(Path(profile.platform.state_file))
    except GamedayError as error:
        return f"the target's processes are not known: {error}"
    return "acts on one of: " + ", ".join(f"{process.name} (pid {process.pid})" for process in state.processes)


def _forecast_lines(checked: Checked) -> Iterator[str]:
    yield f"{'GATE':<14} {'SUBJECT':<48} {'SAMPLES':>8} {'NEEDED':>7}"
    for forecast in checked.forecasts:
        note = "" if forecast.decides else "  cannot decide" if forecast.required else "  informs only"
        subject = forecast.subject if len(forecast.subject) <= 48 else forecast.subject[:47] + "…"
        yield f"{forecast.gate:<14} {subject:<48} {forecast.samples:>8,} {forecast.needed:>7,}{note}"
    yield ""
    length = duration(checked.plan.load.duration_s)
    yield f"memory        a run of {length} can find a large leak; it takes hours to call a target clean"
    yield f"journeys read from {journeys_folder()}; nothing was sent"
