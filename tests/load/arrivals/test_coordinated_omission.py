"""The known table of coordinated omission, from the product's own schedule, recorder and histograms."""

import pytest

from benchmarks.omission import Seen, answered_at_us, closed, corrected, scheduled
from journal.columns import merge
from journal.outcomes import Endpoint, Kind, Outcome
from load.recorder import Recorder


def digits(seen: Seen) -> list[str]:
    histogram = seen.histogram
    return [f"{histogram.quantile_us(share) / 1e6:.3f}" for share in (0.75, 0.9, 0.99)] + [
        f"{histogram.mean_us() / 1e6:.3f}"
    ]


def test_a_closed_model_hides_a_stall_of_100_s() -> None:
    seen = closed().histogram
    assert (len(seen), seen.quantile_us(0.99), int(seen.mean_us())) == (10_001, 1000, 10_996)


def test_response_times_on_a_schedule_show_it_to_the_digit() -> None:
    seen = scheduled()
    assert len(seen.histogram) == 20_000
    assert digits(seen) == ["50.004", "80.019", "98.042", "25.003"]


def test_hdrhistogram_corrects_the_closed_model_to_the_same_digits() -> None:
    assert "| 20,000 | 1,000 µs | 50.004 s | 80.019 s | 98.042 s | 25.003 s |" in corrected()


def test_the_recorder_keeps_both_in_one_run() -> None:
    now_s = [1_700_000_000.0]
    recorder = Recorder("worker-0", (200_000,), lambda: now_s[0])
    series = recorder.series(Endpoint(Kind.REQUEST, "auth", "GET /auth/me"))
    # one connection: each request is sent when the one before is answered, however long it has been due
    free_us = 0
    for number in range(20_000):
        intended_us = number * 10_000
        sent_us = max(intended_us, free_us)
        free_us = answered_at_us(sent_us)
        series.start(round(1_700_000_000e9) + intended_us * 1000)
        now_s[0] = 1_700_000_000 + free_us / 1e6
        series.end(Outcome.OK, free_us - sent_us, response_us=free_us - intended_us)
    columns = merge(recorder.close())
    service, response = (columns.histogram([0], name=name) for name in ("service", "response"))
    assert digits(Seen("", response)) == ["50.004", "80.019", "98.042", "25.003"]
    assert service.quantile_us(0.99) == pytest.approx(1000, rel=0.001)
    assert columns.over.sum() == sum(1 for number in range(10_000) if 100_000_000 - number * 10_000 >= 200_000)
