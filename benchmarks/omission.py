"""Coordinated omission: a server stands still for 100 s, seen by a user who waits and by a schedule that does not.

The case is Gil Tene's: a request each 10 ms, answered in 1 ms; after 100 s of that the server stands still for 100 s.
"""

import math
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

from journal.arrival_schedule import ArrivalSchedule
from journal.histogram import MAX_VALUE_US, Histogram
from journal.plan import Arrivals, ArrivalStage

INTERVAL_US, SERVICE_US, STALL_US = 10_000, 1_000, 100_000_000
CALM_US = 100_000_000
SHARES = (0.5, 0.75, 0.9, 0.99)


@dataclass(frozen=True)
class Seen:
    """What somebody measured: the closed model service times, the open one response times."""

    name: str
    histogram: Histogram

    def row(self) -> str:
        quantiles = " | ".join(seconds(self.histogram.quantile_us(share)) for share in SHARES)
        return f"| {self.name} | {len(self.histogram):,} | {quantiles} | {seconds(self.histogram.mean_us())} |"


def answered_at_us(sent_us: int) -> int:
    """When the server answers what it was sent at this moment; it stands still from 100 s on."""
    if sent_us < CALM_US:
        return sent_us + SERVICE_US
    return max(sent_us, CALM_US + STALL_US)


def closed_us() -> list[int]:
    """One user who sends each 10 ms, but not before the last answer: it sends nothing during the stall."""
    times_us, due_us = [], 0
    while due_us < CALM_US + STALL_US:
        end_us = answered_at_us(due_us)
        times_us.append(end_us - due_us)
        due_us = max(due_us + INTERVAL_US, math.ceil(end_us / INTERVAL_US) * INTERVAL_US)
    return times_us


def closed() -> Seen:
    """What that user measured."""
    return Seen("closed: one user, service time", Histogram.of(closed_us()))


def scheduled() -> Seen:
    """The schedule of the open model, at the same rate: who is due during the stall is due all the same."""
    total_us = CALM_US + STALL_US
    stage = ArrivalStage(rate_per_s=1e6 / INTERVAL_US, duration_s=total_us / 1e6)
    schedule = ArrivalSchedule(Arrivals(process="constant", stages=(stage,)), seed=1)
    # the first arrival of the schedule comes half an interval after its begin; Tene's at once
    intended_us = [int(at_ns) // 1000 - INTERVAL_US // 2 for block in schedule.blocks() for at_ns in block.at_ns]
    return Seen("open: constant arrivals, response time", Histogram.of(answered_at_us(at) - at for at in intended_us))


def corrected() -> str:
    """What HdrHistogram makes of the closed model's values, told that one was expected each 10 ms."""
    histogram = HdrHistogram(1, MAX_VALUE_US, 3)
    for value_us in closed_us():
        histogram.record_corrected_value(value_us, INTERVAL_US)
    quantiles = " | ".join(seconds(histogram.get_value_at_percentile(100 * share)) for share in SHARES)
    mean = seconds(histogram.get_mean_value())
    return f"| the first row as HdrHistogram corrects it | {histogram.get_total_count():,} | {quantiles} | {mean} |"


def seconds(value_us: float) -> str:
    """Up to a second in whole µs, beyond in s with three decimals."""
    return f"{value_us / 1e6:.3f} s" if value_us >= 1e6 else f"{math.floor(value_us):,} µs"


def table() -> str:
    """All of them as Markdown."""
    head = "| who measures | values | p50 | p75 | p90 | p99 | mean |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    return "\n".join([head, closed().row(), scheduled().row(), corrected()])
