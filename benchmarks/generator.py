"""One generator of our own kind, or Locust's, for a benchmark: `python -m benchmarks.generator KIND URL …`.

It runs for the given time and prints one JSON object with what it counted and measured itself. Locust patches the
standard library as it is imported, which is why this is a process of its own.
"""

import locust  # noqa: F401, I001  # first, as it patches the rest
import argparse
import json
import os
import time

import gevent
import psutil
from locust import constant, task
from locust.contrib.fasthttp import FastHttpUser
from locust.env import Environment

from journal.frames import Frame, encode
from journal.histogram import Histogram
from journal.outcomes import Kind
from journal.plan import Load, Plan, Stage
from journal.profile import Profile
from load.distributed.assignment import Assignment
from load.client.books import Events
from load.client.response import Counts
from load.client.user import HttpUser
from load.context import RunContext, set_context
from load.health.monitor import measure_loop_lag
from load.locust_stats import feed


class Recording:
    """What a worker of a run does with its recorder each second, without a master to send it to."""

    def __init__(self, url: str) -> None:
        plan = Plan(name="benchmark", load=Load(stages=(Stage(users=1, spawn_rate_per_s=1.0, duration_s=60.0),)))
        profile = Profile(name="benchmark")
        self.context = RunContext(
            Assignment(run_id="benchmark", worker="w", index=0, base_url=url, plan=plan, profile=profile)
        )
        self.frames: list[Frame] = []
        set_context(self.context)

    def run(self, environment: Environment) -> None:
        gevent.spawn(measure_loop_lag, self.context.logbook.recorder)
        while True:
            gevent.sleep(1 - time.time() % 1 + 0.02)
            for frame in self.context.logbook.recorder.seal(0):
                encode(frame)
                feed(environment.stats, frame)
                self.frames.append(frame)

    def histogram(self, name: str) -> Histogram:
        whole = Histogram()
        for frame in [*self.frames, *self.context.logbook.recorder.close()]:
            for endpoint, seen in frame.endpoints.items():
                if endpoint.kind is Kind.REQUEST:
                    for ended in seen.outcomes.values():
                        whole += Histogram.from_sparse(ended.histograms.get(name, {}))
        return whole


def burn(for_us: int) -> None:
    """Work of a journey that is not ours to speed up."""
    ends_ns = time.perf_counter_ns() + for_us * 1000
    while time.perf_counter_ns() < ends_ns:
        pass


class Unrecorded(HttpUser):
    """The same user without anything that counts or is told of its requests."""

    abstract = True

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.client._book = self  # noqa: SLF001  # there is no public way to count nothing

    listeners = ()

    def series(self, method: str, name: str) -> Counts:
        return Events(self).series(method, name)

    def ended(self, *_: object) -> None:
        pass


BASES = {"recorded": HttpUser, "unrecorded": Unrecorded, "fasthttp": FastHttpUser}


def visitor(base: type, options: argparse.Namespace) -> type:
    """The class of users that sends one request per task."""

    class Visitor(base):  # type: ignore[misc, valid-type]
        host = options.url
        wait_time = constant(options.pause_s)

        @task
        def read(self) -> None:
            self.client.get("/item")
            if options.work_us:
                burn(options.work_us)

    return Visitor


def options_of() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=list(BASES))
    parser.add_argument("url")
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--work-us", type=int, default=0)
    parser.add_argument("--pause-s", type=float, default=0.0)
    return parser.parse_args()


def main() -> None:
    """Runs the users for so long and prints what was found as JSON."""
    options = options_of()
    recording = Recording(options.url) if options.kind == "recorded" else None
    environment = Environment(user_classes=[visitor(BASES[options.kind], options)])
    heard_ms: list[float] = []
    if options.work_us and recording is None:
        environment.events.request.add_listener(lambda response_time, **_: heard_ms.append(response_time))
    runner = environment.create_local_runner()
    if recording is not None:
        gevent.spawn(recording.run, environment)
    runner.start(options.users, spawn_rate=options.users)
    gevent.sleep(options.seconds)
    print(json.dumps(measured(recording, heard_ms)), flush=True)
    os._exit(0)  # users are in the middle of something, which is not what is measured


def measured(recording: Recording | None, heard_ms: list[float]) -> dict[str, float]:
    """The figures of this process, from the recorder where there was one."""
    found = {"rss_mb": psutil.Process().memory_info().rss / 2**20}
    if recording is not None:
        service, lag = recording.histogram("service"), recording.histogram("lag")
        found |= {"count": len(service), "lag_p99_ms": lag.quantile_us(0.99) / 1000}
        found |= {f"p{share}_ms": service.quantile_us(share / 100) / 1000 for share in (50, 99)}
    elif heard_ms:
        heard_ms.sort()
        found |= {f"p{share}_ms": heard_ms[int(len(heard_ms) * share / 100)] for share in (50, 99)}
    return found


if __name__ == "__main__":
    main()
