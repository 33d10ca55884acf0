"""Synthetic runs of an open model: the planned arrivals in the frames, and what went wrong with some of them."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from journal.arrival_schedule import ArrivalSchedule
from journal.frames import EndpointSecond, Frame, OutcomeSecond
from journal.histogram import bucket_indices
from journal.json_lines import JsonLines
from journal.manifest import Manifest
from journal.outcomes import ARRIVALS, DROPPED_ARRIVALS, LATE_ARRIVALS, Endpoint, Kind, Outcome
from journal.plan import Arrivals, ArrivalStage
from journal.plan_shapes import Shape
from journal.timeline import EventKind
from tests.analysis.conftest import NS, T0_S, WARM_UP_S, Run

BEGIN_NS = T0_S * NS + 250_000_000


@dataclass(kw_only=True)
class OpenRun(Run):
    """Shares are of the arrivals; the delays come on top of the service time of each request."""

    rate_per_s: float = 40.0
    shape: Shape = field(default_factory=Shape)
    dropped: float = 0.0
    dropped_from_s: int = -WARM_UP_S
    dropped_until_s: int = 10_000
    late: float = 0.0
    unheard: float = 0.0
    delay_ms: float = 0.0

    def _manifest(self) -> Manifest:
        manifest = super()._manifest()
        self.schedule = ArrivalSchedule(self._arrivals, manifest.plan.seed)
        self.planned = self.schedule.per_second(BEGIN_NS, T0_S, WARM_UP_S + self.load_s + 9, 2**62)
        load = replace(manifest.plan.load, stages=(), arrivals=self._arrivals)
        return replace(manifest, plan=replace(manifest.plan, load=load))

    @property
    def _arrivals(self) -> Arrivals:
        stage = ArrivalStage(rate_per_s=self.rate_per_s, duration_s=WARM_UP_S + self.load_s - 1.0, shape=self.shape)
        return Arrivals(process="poisson", stages=(stage,))

    def _frame(self, number: int, second: int, failures: JsonLines) -> Frame:
        frame = super()._frame(number, second, failures)
        if number:
            return frame
        planned = int(self.planned[second])
        elapsed_s = second - WARM_UP_S
        share = self.dropped if self.dropped_from_s <= elapsed_s < self.dropped_until_s else 0.0
        dropped = round(planned * share)
        started = planned - dropped - round(planned * self.unheard)
        delays_us = np.full(started, round(self.delay_ms * 1000), dtype=np.int64)
        ended = {Outcome.OK: OutcomeSecond(started, {}, {"response": _buckets(delays_us)})}
        arrivals = {
            ARRIVALS: EndpointSecond(started, 0, ended),
            DROPPED_ARRIVALS: EndpointSecond(dropped, 0, {Outcome.OK: OutcomeSecond(dropped)}),
            LATE_ARRIVALS: EndpointSecond(round(started * self.late), 0, {}),
        }
        return replace(frame, endpoints={**frame.endpoints, **arrivals})

    def _answers(self, endpoint: Endpoint, n: int, elapsed: int) -> OutcomeSecond:
        if endpoint.kind is not Kind.REQUEST:
            return super()._answers(endpoint, n, elapsed)
        times_us = (self.random.lognormal(np.log(40), 0.5, n) * 1000).astype(np.int64)
        times_us[self.random.random(n) < self.slow.get(endpoint.name, 0.0)] += 300_000
        response_us = times_us + round(self.delay_ms * 1000)
        over = int((response_us >= 200_000).sum())
        histograms = {"service": _buckets(times_us), "response": _buckets(response_us)}
        return OutcomeSecond(n, {200_000: over} if over else {}, histograms)

    def _events(self) -> Any:
        yield from super()._events()
        began_s = (BEGIN_NS - (T0_S + WARM_UP_S) * NS) / NS
        data = {"begin_ns": BEGIN_NS, "from_s": 0.0, "first": 0, "workers": ["worker-0", "worker-1"]}
        yield EventKind.ARRIVALS, began_s, data


def _buckets(values_us: np.ndarray) -> dict[int, int]:
    indices, counts = np.unique(bucket_indices(values_us), return_counts=True)
    return dict(zip(indices.tolist(), counts.tolist(), strict=True))
