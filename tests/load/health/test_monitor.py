"""The generator's own lag, by a clock of the test's."""

from collections import Counter
from types import SimpleNamespace

import pytest

from journal.histogram import bucket_index
from journal.outcomes import Outcome
from load.health import monitor
from load.health.monitor import LOOP_LAG, measure_loop_lag
from load.recorder import Recorder


def test_the_lag_is_by_how_much_each_sleep_was_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns, late_ns = [0], iter([0, 7_000_000, 250_000_000, -1_000])

    def sleep(seconds: float) -> None:
        now_ns[0] += round(seconds * 1e9) + next(late_ns)

    monkeypatch.setattr(monitor, "gevent", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(monitor, "time", SimpleNamespace(perf_counter_ns=lambda: now_ns[0]))
    recorder = Recorder("worker-0", (), lambda: 5.0)
    with pytest.raises(StopIteration):
        measure_loop_lag(recorder)
    lag = recorder.close()[-1].endpoints[LOOP_LAG].outcomes[Outcome.OK].histograms["lag"]
    assert lag == Counter(map(bucket_index, (0, 7_000, 250_000, 0)))
