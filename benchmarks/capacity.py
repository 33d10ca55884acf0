"""`python -m benchmarks.capacity [--runs N]`: searches for a capacity that is known, again and again.

The embedded target gets a semaphore of 3 servers and 30 ms, the users are those of the journey `model_control` with 50
to 150 ms of think time, and the promise is 95 % under 200 ms. How many users that is, an event-by-event simulation says
that shares no code with the harness. Each run begins at another level, so that each tries other levels.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.analysis.capacity.closed_network import Knee, most_users

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- capacity: begin -->", "<!-- capacity: end -->"
KNEE = Knee()
FIRST_STARTS = (5, 6, 7, 8, 9, 11, 12, 13, 14, 15)
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
class Outcome:
    """What one search found, and how long it took."""

    start: int
    passes: int
    fails: int | None
    code: int
    visits: int
    peak_per_s: float
    took_s: float

    def holds(self, truth: int) -> bool:
        return self.fails is not None and self.passes <= truth < self.fails


def search(start: int, seed: int, level_s: int) -> Outcome:
    """One search in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plan.yaml").write_text(PLAN.format(seed=seed, start=start))
        (folder / "profile.yaml").write_text(PROFILE)
        command = [sys.executable, "-P", "-m", "gameday", "capacity", "plan.yaml", "--profile", "profile.yaml"]
        command += ["--defect", f"semaphore:{KNEE.size}:{KNEE.service_s * 1000:g}", "--out", "run"]
        command += ["--level-s", str(level_s), "--settle-s", "2", "--max-duration", "600"]
        began_s = time.monotonic()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900, check=False)
        took_s = time.monotonic() - began_s
        found = folder / "run" / "capacity.json"
        if not found.exists():
            raise SystemExit(f"the search ended with {done.returncode}: {done.stdout}{done.stderr}")
        print(done.stdout[done.stdout.rfind("phase ended") :], flush=True)
        healthy = json.loads(found.read_text())["capacities"][0]
    rates = [visit["rate_per_s"] for visit in healthy["visits"]]
    ends = (healthy["passes"], healthy["fails"])
    return Outcome(start, *ends, done.returncode, len(rates), max(rates, default=0.0), took_s)


def report(outcomes: list[Outcome], truth: int) -> str:
    held = sum(outcome.holds(truth) for outcome in outcomes)
    lines = [
        f"Planted: {KNEE.size} servers, {KNEE.service_s * 1000:g} ms each, so {KNEE.ceiling_per_s:g} calls/s at most. "
        f"Simulated, the promise (95 % under 200 ms) holds up to **{truth} users**.",
        f"**{held} of {len(outcomes)}** intervals hold it.",
        "",
        "| first level | within the SLO | not | holds the truth | visits | highest rate /s | took s | exit |",
        "| ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for one in outcomes:
        held_word = "yes" if one.holds(truth) else "**no**"
        lines.append(
            f"| {one.start} | {one.passes} | {one.fails or '–'} | {held_word} | {one.visits} "
            f"| {one.peak_per_s:.1f} | {one.took_s:.0f} | {one.code} |"
        )
    return "\n".join(lines)


def write(text: str) -> None:
    """Puts the text between our markers of benchmarks/README.md."""
    page = README.read_text(encoding="utf-8") if README.exists() else "# Measured\n"
    if BEGIN not in page:
        page = f"{page.rstrip()}\n\n## A capacity that is known\n`python -m benchmarks.capacity`\n\n{BEGIN}\n{END}\n"
    head, _, rest = page.partition(BEGIN)
    README.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=main.__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--level-s", type=int, default=12)
    options = parser.parse_args(arguments)
    truth = most_users(KNEE)
    print(f"the truth: {truth} users", flush=True)
    starts = [FIRST_STARTS[run % len(FIRST_STARTS)] for run in range(options.runs)]
    outcomes = [search(start, run + 1, options.level_s) for run, start in enumerate(starts)]
    text = report(outcomes, truth)
    print(text)
    write(text)


if __name__ == "__main__":
    main()
