"""Holds a plan against the profile before anything is sent: hosts, limits, journeys, faults."""

import math
from collections.abc import Iterator
from operator import attrgetter
from urllib.parse import urlsplit

from analysis.words import counted
from chaos.experiment import check_settings
from gameday.cluster.names import NAMED, is_namespace
from gameday.data_files import read_rows
from gameday.forecast import JourneyForecast, expected_in_flight, roomy, user_shares
from journal.errors import BadInput, PlanError, Problem, ProfileError
from journal.plan import Plan
from journal.profile import MODEL_CONTEXT_PATH, Profile
from journal.profile_journeys import data_in
from probes.http_calls import certificates


def check_profile(profile: Profile) -> None:
    """Raises ProfileError when its address may not be hit, its authorities not be read, its namespace not touched."""
    problems = [*_address_problems(profile), *_authority_problems(profile), *_cluster_problems(profile)]
    if problems:
        raise ProfileError(problems)


def _authority_problems(profile: Profile) -> Iterator[Problem]:
    """The file has to be where the load comes from, which for a target in a cluster is not here."""
    if profile.ca_file and profile.platform.kind != "kubernetes":
        try:
            certificates(profile.ca_file)
        except ProfileError as error:
            yield from error.problems


def _address_problems(profile: Profile) -> Iterator[Problem]:
    if profile.base_url is None:
        return
    try:
        address = urlsplit(profile.base_url)
        _ = address.port  # is read only now, and may be no number
    except ValueError:
        yield Problem("profile: base_url", "is no address that can be read")
        return
    if address.username is not None or address.password is not None:
        # not quoted: it would be in arguments, logs and the run directory, and here
        yield Problem("profile: base_url", "holds a user or a password", "name the host alone; see `credentials`")
    elif address.scheme not in {"http", "https"} or not address.hostname:
        yield Problem("profile: base_url", f"{profile.base_url!r} is no http or https address")
    elif address.hostname not in profile.allowed_hosts:
        allowed = ", ".join(profile.allowed_hosts)
        remedy = "add it to allowed_hosts only if it may be loaded and broken"
        yield Problem(
            "profile: base_url", f"the host {address.hostname} is not among allowed_hosts ({allowed})", remedy
        )


def _cluster_problems(profile: Profile) -> Iterator[Problem]:
    platform, cluster = profile.platform, profile.platform.cluster
    if platform.kind != "kubernetes":
        return
    if profile.base_url is None:
        yield Problem("profile: base_url", "is missing, and in a cluster no embedded target is started", "name it")
    if platform.state_file:
        what = "is for a target on this machine, not for one in a cluster"
        yield Problem("profile: platform.state_file", what, "remove it")
    if not is_namespace(cluster.namespace):
        yield Problem("profile: platform.cluster.namespace", f"{cluster.namespace!r} cannot be one", NAMED)
    for where in ("toxiproxy.url", "prometheus_url"):
        if _holds_password(attrgetter(where)(cluster)):
            # not quoted, as above
            yield Problem(f"profile: platform.cluster.{where}", "holds a user or a password", "name the host alone")
    if cluster.namespace not in cluster.allowed_namespaces:
        what = f"{cluster.namespace} is not among allowed_namespaces ({', '.join(cluster.allowed_namespaces)})"
        yield Problem("profile: platform.cluster.namespace", what, "add it only if its pods may be broken")


def _holds_password(address: str) -> bool:
    return "@" in address.partition("//")[2].partition("/")[0]


def check_plan(plan: Plan, profile: Profile, journeys: list[JourneyForecast]) -> None:
    """Raises PlanError with every way in which the plan does not fit the profile, the journeys or the experiments."""
    problems = [*_journey_problems(plan, journeys), *_path_problems(plan, profile, journeys)]
    problems += [*_limit_problems(plan, profile, journeys), *_fault_problems(plan, profile)]
    problems += [*_data_problems(plan, profile), *_storm_problems(plan, journeys)]
    if problems:
        raise PlanError(problems)


def _journey_problems(plan: Plan, journeys: list[JourneyForecast]) -> Iterator[Problem]:
    known = [journey.name for journey in journeys]
    for name in sorted({name for name in known if known.count(name) > 1}):
        yield Problem(f"profile: journeys.{name}", "a journey of this name comes with the harness", "rename it")
    if plan.load.mix and not any(plan.load.mix.values()):
        yield Problem("profile: journeys", "no journey has a weight above 0", "give one of them a weight")
    for name in plan.load.mix:
        if name not in known:
            yield Problem(f"plan: load.mix.{name}", "there is no such journey", f"known are: {', '.join(known)}")


def _path_problems(plan: Plan, profile: Profile, journeys: list[JourneyForecast]) -> Iterator[Problem]:
    for journey in journeys:
        lacking = sorted({path for request in journey.requests if (path := _lacking(profile, request))})
        if lacking and plan.load.mix.get(journey.name):
            what = f"needs {', '.join(lacking)}, which this target does not have, as the profile's paths say"
            yield Problem(f"plan: load.mix.{journey.name}", what, "leave it out of the mix, or name the path")


def _lacking(profile: Profile, request: str) -> str:
    """The path of the contract that a request by this name goes to, if the target has it nowhere."""
    first, _, path = request.partition(" ")
    path = MODEL_CONTEXT_PATH if first == "MCP" else path
    return "" if profile.paths.get(request, profile.paths.get(path, path)) else path


def _limit_problems(plan: Plan, profile: Profile, journeys: list[JourneyForecast]) -> Iterator[Problem]:
    limits = profile.limits
    arrivals = plan.load.arrivals
    if plan.load.peak_users > limits.max_users:
        where = "plan: load.stages" if arrivals is None else "plan: load.arrivals.max_in_flight"
        what = f"{plan.load.peak_users} users are more than the {limits.max_users} that the profile allows"
        yield Problem(where, what, "use fewer users, or raise limits.max_users in the profile")
    needed = expected_in_flight(plan, journeys)
    if arrivals is not None and needed > arrivals.max_in_flight:
        what = f"{arrivals.max_in_flight} passes at a time are too few: the arrivals need about {needed:.0f}"
        remedy = f"allow {roomy(needed, plan.load.workers)}, or shorten the think time"
        yield Problem("plan: load.arrivals.max_in_flight", what, remedy)
    shares = user_shares(plan)
    for journey in journeys:
        per_hour = journey.requests_per_user_per_s(plan) * min(3600.0, plan.load.duration_s)
        if journey.name in shares and per_hour > limits.requests_per_hour_per_user:
            what = (
                f"a user of the journey {journey.name} sends about {per_hour:,.0f} requests within an hour, "
                f"the target allows {limits.requests_per_hour_per_user:,}"
            )
            yield Problem("plan: load.think_time", what, "make the think time longer, or the run shorter")


def _data_problems(plan: Plan, profile: Profile) -> Iterator[Problem]:
    """Of data that each user has a row of, there has to be one for each user that a worker may have."""
    shares, load = user_shares(plan), plan.load
    for name, rows in read_rows(profile, []).items():
        using = [journey for journey in profile.journeys if name in data_in(profile.journeys[journey], profile.data)]
        users = math.ceil(load.peak_users * sum(shares.get(journey, 0.0) for journey in using))
        needed = math.ceil(users / load.workers) * load.workers
        if profile.data[name].mode == "unique" and len(rows) < needed:
            what = f"has {len(rows):,} rows for {users:,} users, shared by {counted(load.workers, 'worker')}"
            yield Problem(f"profile: data.{name}", what, f"give at least {needed:,}, or use the mode random")


def _fault_problems(plan: Plan, profile: Profile) -> Iterator[Problem]:
    for index, fault in enumerate(plan.faults):
        settings = tuple(f"{key}={value}" for key, value in fault.configuration.items())
        try:
            objection = check_settings(fault.experiment, settings).why_not_on(profile.platform)
            if objection:
                yield Problem(f"plan: faults[{index}]", objection)
        except BadInput as error:
            yield from (Problem(f"plan: faults[{index}]", str(problem)) for problem in error.problems)
    if plan.faults and not _reaches_processes(profile):
        what = "the plan has faults, but the profile does not say how to reach the target's processes"
        remedy = "name the target's state file, or set platform.kind to kubernetes, or take the faults out of the plan"
        yield Problem("profile: platform.state_file", what, remedy)


def _storm_problems(plan: Plan, journeys: list[JourneyForecast]) -> Iterator[Problem]:
    """A storm that would find nothing to take from anybody."""
    mixed = [journey for journey in journeys if plan.load.mix.get(journey.name)]
    for index, storm in enumerate(plan.load.storms):
        where = f"plan: load.storms[{index}]"
        if storm.kind == "token-expiry" and not any(journey.holds_login for journey in mixed):
            what = "no journey of the mix keeps a login that could expire"
            yield Problem(where, what, "add one that does; in a profile, name the on_start.tokens of its login")
        if storm.connections == ("websocket",) and not any(journey.opens_websockets for journey in mixed):
            yield Problem(f"{where}.connections", "no journey of the mix opens a WebSocket", "add one, or http")


def _reaches_processes(profile: Profile) -> bool:
    platform = profile.platform
    return platform.kind == "kubernetes" or profile.base_url is None or bool(platform.state_file)
