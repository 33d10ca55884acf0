"""Seconds of load as workers tell them, without the load: each series with its times and its lags."""

from typing import Any

import numpy as np

from journal.frames import EndpointSecond, OutcomeSecond
from journal.histogram import bucket_indices
from journal.outcomes import Endpoint, Kind, Outcome

LOOP_TURNS, THRESHOLD_US = 45, 200_000


def seconds_of_load(series: int, requests: int) -> list[dict[Endpoint, EndpointSecond]]:
    """Some seconds in which each series has so many requests around 40 ms; workers take them in turn."""
    random = np.random.default_rng(1)
    return [_second_of_load(random, series, requests) for _ in range(10)]


def _second_of_load(random: np.random.Generator, series: int, requests: int) -> dict[Endpoint, EndpointSecond]:
    """Each series with its times and lags, and beside them what every worker tells of itself."""

    def of(kind: Kind, journey: str, name: str, **median_us: float) -> tuple[Endpoint, EndpointSecond]:
        count = LOOP_TURNS if kind is Kind.GENERATOR else requests
        times_us = {key: random.lognormal(np.log(us), 0.6, count).astype(np.int64) for key, us in median_us.items()}
        over = int((times_us["service"] >= THRESHOLD_US).sum()) if kind is Kind.REQUEST else 0
        histograms = {key: _buckets(values_us) for key, values_us in times_us.items()}
        ended = OutcomeSecond(count, {THRESHOLD_US: over} if over else {}, histograms)
        return Endpoint(kind, journey, name), EndpointSecond(count, 0, {Outcome.OK: ended})

    return dict(
        [
            of(Kind.GENERATOR, "generator", "loop lag", lag=300.0),
            of(Kind.GENERATOR, "simulated", "think", service=1_000_000.0),
            *(
                of(Kind.REQUEST, "simulated", f"GET {path_of(number)}", service=40_000.0, lag=60.0)
                for number in range(series)
            ),
        ]
    )


def path_of(number: int) -> str:
    """The path template of one of the made series."""
    return f"/api/v1/resource-{number}"


def _buckets(values_us: np.ndarray[Any, np.dtype[np.int64]]) -> dict[int, int]:
    used, counts = np.unique(bucket_indices(values_us), return_counts=True)
    return dict(zip(used.tolist(), counts.tolist(), strict=True))
