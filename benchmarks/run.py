"""Measures ourselves beside our peers: `python -m benchmarks.run [hot-paths] [client] …`, by default all of it.

The ratios travel between machines better than times do. `client` needs nginx, hey and k6, and says what is missing.
`reporting` takes a quarter of an hour, `capacity` three quarters, which can be stopped and taken up again.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from hdrh.histogram import HdrHistogram

from benchmarks import arrivals, capacity, client, frames, model_context, network, reporting, scaling
from journal.histogram import MAX_VALUE_US, bucket_index, bucket_indices

ROUNDS = 15
VALUES = 20_000


@dataclass(frozen=True)
class Comparison:
    """Two ways to do the same work; `ours` and `peer` each do all of it once."""

    name: str
    ours: Callable[[], object]
    peer: Callable[[], object]
    unit: str
    units: int


def service_times_us() -> list[int]:
    """Log-normal service times around 40 ms, as a service under light load shows them."""
    return np.random.default_rng(1).lognormal(np.log(40_000), 0.6, VALUES).astype(int).tolist()


def recording(values: list[int]) -> Comparison:
    """Counting service times one by one, beside what another library does with them."""

    def ours() -> dict[int, int]:
        buckets: dict[int, int] = {}
        for value in values:
            index = bucket_index(value)
            buckets[index] = buckets.get(index, 0) + 1
        return buckets

    def peer() -> HdrHistogram:
        histogram = HdrHistogram(1, MAX_VALUE_US, 3)
        for value in values:
            histogram.record_value(value)
        return histogram

    return Comparison("record a value: our buckets / hdrhistogram", ours, peer, "value", len(values))


def indexing(values: list[int]) -> Comparison:
    """Finding the buckets of a whole array, beside a loop."""
    array = np.array(values)
    return Comparison(
        "index an array: bucket_indices / loop of bucket_index",
        lambda: bucket_indices(array),
        lambda: [bucket_index(value) for value in values],
        "value",
        len(values),
    )


def seconds(work: Callable[[], object]) -> float:
    """How long some work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(comparison: Comparison) -> str:
    """Both ways in turn, so that a slow moment of the machine meets both; the median of the ratios of each round."""
    rounds = [(seconds(comparison.ours), seconds(comparison.peer)) for _ in range(ROUNDS)]
    ratio = statistics.median(ours / peer for ours, peer in rounds)
    ours_ns, peer_ns = (1e9 * statistics.median(column) / comparison.units for column in zip(*rounds, strict=True))
    return f"{comparison.name:56} ×{ratio:.3f}   ({ours_ns:.0f} against {peer_ns:.0f} ns a {comparison.unit})"


def hot_paths() -> None:
    """Prints what the paths cost that every request takes."""
    values = service_times_us()
    print(f"median ratio of {ROUNDS} rounds over {VALUES} values; below 1 ours is faster")
    for comparison in (recording(values), indexing(values)):
        print(measure(comparison))


CROWDS = ("200x20", "400x20", "800x20", "36x1400")
MEASUREMENTS: dict[str, Callable[[], None]] = {
    "hot-paths": hot_paths,
    "client": client.main,
    "arrivals": arrivals.main,
    "reporting": lambda: reporting.main([]),
    "masters": lambda: reporting.main(["--seconds", "40", "--warm-up-s", "25", "--crowd", *CROWDS]),
    "frames": frames.main,
    "network": network.main,
    "model-context": model_context.main,
    "scaling": scaling.main,
    "capacity": lambda: capacity.main([]),
}


def main() -> None:
    """Runs the benchmarks that are named, or all."""
    for name in sys.argv[1:] or MEASUREMENTS:
        if name not in MEASUREMENTS:
            sys.exit(f"there is no benchmark {name!r}; there are: {', '.join(MEASUREMENTS)}")
        MEASUREMENTS[name]()


if __name__ == "__main__":
    main()
