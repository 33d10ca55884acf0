"""A run that nobody conducts: plain `locust -f locustfiles …` makes its own run directory and judges it at the end."""

import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from journal.collecting import collect
from journal.errors import CommandError, Problem
from journal.manifest import Manifest, ReadingsOrigin, installed_versions, this_clock, this_machine
from journal.plan import Load, Plan, Stage
from journal.profile import Platform, Profile
from journal.run_directory import RunDirectory, create_run_directory, new_run_id

UNLIMITED_S = 86_400.0
_WARM_UP_S, _WARM_UP_SHARE = 10.0, 0.2


@dataclass(frozen=True, slots=True)
class Options:
    """What Locust's own options say about a run; `mix` gives each loaded journey its weight."""

    host: str | None
    users: int
    spawn_rate_per_s: float
    duration_s: float | None
    workers: int
    mix: Mapping[str, int]


def make_run(options: Options, parent: Path = Path("runs")) -> RunDirectory:
    """A fresh run directory under `parent` with the manifest of these options.

    Raises:
        CommandError: the options do not make a run.
    """
    base_url, hostname = _target(options.host)
    if options.users < 1 or options.spawn_rate_per_s <= 0:
        raise CommandError([Problem("-u, -r", "a run needs users", "give at least -u 1 -r 1")])
    run_id = new_run_id()
    manifest = Manifest(
        run_id=run_id,
        created_at_ns=time.time_ns(),
        command=shlex.join(["locust", *sys.argv[1:]]),
        base_url=base_url,
        plan=_plan(options),
        profile=Profile(
            name="command-line", base_url=base_url, allowed_hosts=(hostname,), platform=Platform(kind="none")
        ),
        machine=this_machine(),
        clock=this_clock(),
        versions=installed_versions(),
        readings=ReadingsOrigin(source="none", note="plain Locust looks at nothing but itself"),
    )
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return create_run_directory(parent / f"{stamp}-{run_id}", manifest)


def _target(host: str | None) -> tuple[str, str]:
    parts = urlsplit(host or "")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        found = f"{host!r} is no base URL" if host else "no target is given"
        raise CommandError([Problem("-H", found, "write for example -H http://127.0.0.1:8000")])
    return str(host).rstrip("/"), parts.hostname


def _plan(options: Options) -> Plan:
    duration_s = options.duration_s or UNLIMITED_S
    ramp_s = options.users / options.spawn_rate_per_s
    warm_up_s = min(max(min(_WARM_UP_S, _WARM_UP_SHARE * duration_s), ramp_s), duration_s / 2)
    stage = Stage(users=options.users, spawn_rate_per_s=options.spawn_rate_per_s, duration_s=duration_s)
    load = Load(stages=(stage,), warm_up_s=warm_up_s, workers=max(1, options.workers), mix=dict(options.mix))
    return Plan(name="locust", description="plain Locust, without faults", load=load)


def judge(run: RunDirectory, spools: Path) -> tuple[int, str]:
    """Collects spools of killed workers, and runs the analysis as its own process: its exit code, what it printed."""
    collect(run, [spools])
    command = [sys.executable, "-P", "-m", "analysis", str(run.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr
