"""`python -m benchmarks.capacity [--runs N]`: searches for a capacity that is known, again and again.

The embedded target gets a semaphore of 3 servers and 30 ms, the users are those of the journey `model_control` with 50
to 150 ms of think time, and the promise is 95 % under 200 ms. How many users that is, an event-by-event simulation says
that shares no code with the harness. Each run begins at another level, so that each tries other levels.

A search takes minutes. Each that has ended is written down at once, and the section of benchmarks/README.md anew; stop
it by Ctrl-C or SIGTERM, start it again, and it goes on with the first search that is missing.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.machine import ROOT
from benchmarks.readme import write_section
from tests.analysis.capacity.closed_network import Knee, most_users

KEPT = ROOT / "runs" / "benchmarks" / "capacity.jsonl"
KNEE = Knee()
FIRST_STARTS = (5, 6, 7, 8, 9, 11, 12, 13, 14, 15)
ENDS_WITHIN_S, STOPS_WITHIN_S = 900, 90
PLAN = """\
name: knee
seed: {seed}
load:
  stages:
    - {{users: {start}, spawn_rate_per_s: 50, duration_s: 60}}
  warm_up_s: 3
  workers: 1
  think_time: {{min_s: 0.05, max_s: 0.15}}
  mix: {{model_control: 1}}
"""
PROFILE = """\
name: one-replica
embedded: {replicas: 1, workers: 2}
limits: {max_users: 500, requests_per_hour_per_user: 100000}
"""


@dataclass(frozen=True)
class Search:
    """One search: where it begins, the seed of its users, how long a level is looked at first."""

    start: int
    seed: int
    level_s: int


@dataclass(frozen=True)
class Outcome:
    """What one search found, and how long it took; `levels` is each visit in order: users and what they said."""

    search: Search
    passes: int
    fails: int | None
    code: int
    levels: str
    peak_per_s: float
    took_s: float

    def holds(self, truth: int) -> bool:
        return self.fails is not None and self.passes <= truth < self.fails


def searches(runs: int, level_s: int) -> list[Search]:
    """All searches in order."""
    return [Search(FIRST_STARTS[run % len(FIRST_STARTS)], run + 1, level_s) for run in range(runs)]


def run_search(search: Search) -> Outcome:
    """One search in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plan.yaml").write_text(PLAN.format(seed=search.seed, start=search.start))
        (folder / "profile.yaml").write_text(PROFILE)
        command = [sys.executable, "-P", "-m", "gameday", "capacity", "plan.yaml", "--profile", "profile.yaml"]
        command += ["--defect", f"semaphore:{KNEE.size}:{KNEE.service_s * 1000:g}", "--out", "run"]
        command += ["--level-s", str(search.level_s), "--settle-s", "2", "--max-duration", "600"]
        began_s = time.monotonic()
        code, printed = completed(command, folder)
        took_s = time.monotonic() - began_s
        found = folder / "run" / "capacity.json"
        if not found.exists():
            raise SystemExit(f"the search ended with {code}: {printed}")
        print(printed[printed.rfind("phase ended") :], flush=True)
        healthy = json.loads(found.read_text())["capacities"][0]
    visits = healthy["visits"]
    return Outcome(
        search=search,
        passes=healthy["passes"],
        fails=healthy["fails"],
        code=code,
        levels=", ".join(f"{visit['n']} {visit['state']}" for visit in visits),
        peak_per_s=max((visit["rate_per_s"] for visit in visits), default=0.0),
        took_s=took_s,
    )


def completed(command: Sequence[str], folder: Path) -> tuple[int, str]:
    """The exit code of a process and what it printed; one that is interrupted with us ends in order."""
    with subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C of the terminal reaches it through us, once
    ) as process:
        try:
            printed, _ = process.communicate(timeout=ENDS_WITHIN_S)
        except BaseException:  # whatever it was, also an interruption: no search goes on without us
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=STOPS_WITHIN_S)
            raise
        return process.returncode, printed


def kept(path: Path) -> dict[Search, Outcome]:
    """The searches that have ended; a line that a crash tore is none."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
            outcome = Outcome(**{**record, "search": Search(**record["search"])})
        except (ValueError, TypeError, KeyError):
            continue
        found[outcome.search] = outcome
    return found


def keep(path: Path, outcome: Outcome) -> None:
    """Writes one outcome down for good."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(f"\n{json.dumps(asdict(outcome))}\n")  # what was torn by a crash ends with the line
        file.flush()
        os.fsync(file.fileno())


def report(outcomes: list[Outcome], truth: int, wanted: int) -> str:
    """The table as people read it."""
    held = sum(outcome.holds(truth) for outcome in outcomes)
    missing = f" (of {wanted} searches; the others have not been made yet)" if len(outcomes) < wanted else ""
    lines = [
        f"Planted: {KNEE.size} servers, {KNEE.service_s * 1000:g} ms each, so {KNEE.ceiling_per_s:g} calls/s at most. "
        f"Simulated, the promise (95 % under 200 ms) holds up to **{truth} users**.",
        f"**{held} of {len(outcomes)}** intervals hold it{missing}.",
        "",
        "| first level | within the SLO | not | holds the truth | highest rate /s | took s | exit | levels in order |",
        "| ---: | ---: | ---: | --- | ---: | ---: | ---: | --- |",
    ]
    for one in outcomes:
        held_word = "yes" if one.holds(truth) else "**no**"
        lines.append(
            f"| {one.search.start} | {one.passes} | {one.fails or '–'} | {held_word} "
            f"| {one.peak_per_s:.1f} | {one.took_s:.0f} | {one.code} | {one.levels} |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Makes the searches that are missing, and writes the section after each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="how many searches in all (10)")
    parser.add_argument("--level-s", type=int, default=12, help="how long a level is looked at first (12)")
    parser.add_argument("--kept", type=Path, default=KEPT, help="where ended searches are written down")
    parser.add_argument("--afresh", action="store_true", help="forget the searches that have ended")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.afresh:
        options.kept.unlink(missing_ok=True)
    truth, wanted = most_users(KNEE), searches(options.runs, options.level_s)
    print(f"the truth: {truth} users", flush=True)
    try:
        make_missing(wanted, options.kept, truth)
    except KeyboardInterrupt:
        sys.exit(f"stopped; {len(kept(options.kept))} searches are kept, start it again to go on")


def make_missing(wanted: list[Search], path: Path, truth: int) -> None:
    """Search after search; the section is written after each."""
    for search in wanted:
        if search not in kept(path):
            keep(path, run_search(search))
        ended = kept(path)
        text = report([ended[one] for one in wanted if one in ended], truth, len(wanted))
        write_section("capacity", "A capacity that is known", text)
    print(text)


if __name__ == "__main__":
    main()
