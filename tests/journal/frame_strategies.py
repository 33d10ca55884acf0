"""Hypothesis strategies for frames of every shape that the format allows."""

from hypothesis import strategies as st

from journal.frames import EndpointSecond, Frame, OutcomeSecond
from journal.histogram import BUCKETS
from journal.outcomes import Endpoint, Kind, Outcome

U32 = st.integers(0, 2**32 - 1)
SMALL = st.integers(0, 10_000)
NAMES = st.text(max_size=20)
ENDPOINTS = st.builds(Endpoint, st.sampled_from(Kind), NAMES, NAMES)
BUCKET_COUNTS = st.dictionaries(st.integers(0, BUCKETS - 1), SMALL, max_size=5)
HISTOGRAMS = st.dictionaries(st.sampled_from(["service", "response", "lag"]), BUCKET_COUNTS, max_size=3)


def outcome_seconds(counts: st.SearchStrategy[int] = SMALL) -> st.SearchStrategy[OutcomeSecond]:
    return st.builds(OutcomeSecond, counts, st.dictionaries(U32, counts, max_size=2), HISTOGRAMS)


def endpoint_seconds(counts: st.SearchStrategy[int] = SMALL) -> st.SearchStrategy[EndpointSecond]:
    outcomes = st.dictionaries(st.sampled_from(Outcome), outcome_seconds(counts), max_size=3)
    return st.builds(EndpointSecond, counts, counts, outcomes)


def frames(
    *,
    workers: st.SearchStrategy[str] = NAMES,
    sequences: st.SearchStrategy[int] | None = None,
    seconds: st.SearchStrategy[int] | None = None,
    endpoints: st.SearchStrategy[Endpoint] = ENDPOINTS,
    counts: st.SearchStrategy[int] = SMALL,
) -> st.SearchStrategy[Frame]:
    return st.builds(
        Frame,
        worker=workers,
        sequence=st.integers(1, 2**63 - 1) if sequences is None else sequences,
        second=st.integers(-(2**63), 2**63 - 1) if seconds is None else seconds,
        users=counts,
        endpoints=st.dictionaries(endpoints, endpoint_seconds(counts), max_size=3),
        last=st.booleans(),
    )


def runs_of_frames(**limits: int) -> st.SearchStrategy[list[Frame]]:
    """A few workers, a few seconds, a few endpoints: the shape of a real run, with gaps and repetitions."""
    few = st.sampled_from([Endpoint(Kind.REQUEST, "auth", "GET /auth/me"), Endpoint(Kind.MESSAGE, "agents", "WS ping")])
    one = frames(
        workers=st.sampled_from(["worker-1", "worker-2"]),
        sequences=st.integers(1, 8),
        seconds=st.integers(1_700_000_000, 1_700_000_010),
        endpoints=few,
    )
    return st.lists(one, min_size=limits.get("min_size", 0), max_size=limits.get("max_size", 6))
