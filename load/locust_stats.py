"""Locust's own statistics, fed in bulk from sealed frames, so that its console, files and web page stay true."""

from typing import Any

import numpy as np
from locust.stats import RequestStats, StatsEntry, StatsError, bucket_response_time

from journal.frames import EndpointSecond, Frame, OutcomeSecond
from journal.histogram import lowest_values
from journal.outcomes import Endpoint, Kind, Outcome
from load.client.reply import Reply

KEEP_SECONDS = 60


def feed(stats: RequestStats, frame: Frame) -> None:
    """Adds the requests of one frame, in whole milliseconds as Locust keeps them."""
    for endpoint, seen in frame.endpoints.items():
        if endpoint.kind is Kind.REQUEST and seen.outcomes:
            _feed_endpoint(stats, endpoint, seen, frame.second)


def _feed_endpoint(stats: RequestStats, endpoint: Endpoint, seen: EndpointSecond, second: int) -> None:
    method, _, path = endpoint.name.partition(" ")
    entry = StatsEntry(stats, path, method)
    entry.start_time = entry.last_request_timestamp = float(second)
    for outcome, ended in seen.outcomes.items():
        _add(entry, ended, second)
        if outcome is not Outcome.OK:
            entry.num_failures += ended.count
            entry.num_fail_per_sec[second] += ended.count
            _add_errors(stats, method, path, outcome, ended.count)
    stats.entries[(path, method)].extend(entry)
    stats.total.extend(entry)


def _add(entry: StatsEntry, ended: OutcomeSecond, second: int) -> None:
    entry.num_requests += ended.count
    entry.num_reqs_per_sec[second] += ended.count
    buckets = ended.histograms.get("service", {})
    values_us = lowest_values(np.fromiter(buckets, dtype=np.int64))
    for value_us, count in zip(values_us.tolist(), buckets.values(), strict=True):
        value_ms = value_us / 1000
        entry.response_times[bucket_response_time(value_ms)] += count
        entry.total_response_time += value_ms * count
        entry.min_response_time = min(
            value_ms, value_ms if entry.min_response_time is None else entry.min_response_time
        )
        entry.max_response_time = max(entry.max_response_time, value_ms)


def _add_errors(stats: RequestStats, method: str, path: str, outcome: Outcome, count: int) -> None:
    key = StatsError.create_key(method, path, outcome.label)
    error = stats.errors.setdefault(key, StatsError(method, path, outcome.label))
    error.occurrences += count


def forget_past(stats: RequestStats, *, keep_history: bool) -> None:
    """Drops what Locust keeps of every second for good but reads back for twelve seconds only, entry by entry.

    Its history, a record every five seconds, is for its own HTML report alone.
    """
    before = int(stats.last_request_timestamp or 0) - KEEP_SECONDS
    for entry in (stats.total, *stats.entries.values()):
        for per_second in (entry.num_reqs_per_sec, entry.num_fail_per_sec):
            if len(per_second) > 2 * KEEP_SECONDS:
                for second in [second for second in per_second if second < before]:
                    del per_second[second]
    if not keep_history:
        stats.history.clear()


def somebody_listens(request_event: Any) -> bool:
    """Whether anybody beside Locust itself wants to hear of each request; its event costs more than a request may."""
    handlers = request_event._handlers  # noqa: SLF001  # the event tells nobody who listens
    return any(not str(handler.__module__).startswith("locust.") for handler in handlers)


class RequestEvent:
    """Fires Locust's event for each request, for those who listen; Locust's statistics then come from the event."""

    def __init__(self, request_event: Any) -> None:
        self._event = request_event

    def __call__(self, endpoint: Endpoint, outcome: Outcome, reply: Reply, detail: str, began_s: float) -> None:
        """One request, in the form that Locust documents."""
        method, _, path = endpoint.name.partition(" ")
        self._event.fire(
            request_type=method,
            name=path,
            response_time=reply.service_us / 1000,
            response_length=len(reply.body),
            response=reply,
            context={"journey": endpoint.journey},
            exception=None if outcome is Outcome.OK else f"{outcome.label}: {detail}",
            start_time=began_s,
            url=path,
        )
