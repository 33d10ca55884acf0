from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from journal.columns import merge
from journal.frames import encode
from journal.histogram import bucket_index
from journal.outcomes import Endpoint, Kind, Outcome
from journal.spool import no_tally
from load.recorder import Recorder

THRESHOLDS = (1_000, 200_000)
ENDPOINTS = [Endpoint(Kind.REQUEST, "j", name) for name in ("GET /a", "GET /b")]

start = st.tuples(st.just("start"), st.sampled_from(ENDPOINTS))
end = st.tuples(
    st.just("end"),
    st.sampled_from(ENDPOINTS),
    st.sampled_from(list(Outcome)),
    st.sampled_from([0, 999, 1_000, 199_999, 200_000, 200_001, 5_000_000]),
)
move = st.tuples(st.just("move"), st.floats(-2.0, 4.0))
seal = st.tuples(st.just("seal"))


class SlowOracle:
    """Every operation as a tuple with its second; sums are taken at the end."""

    def __init__(self, now_s: int) -> None:
        self.oldest_open = now_s
        self.started: list[tuple[Endpoint, int]] = []
        self.ended: list[tuple[Endpoint, Outcome, int, int]] = []

    def second(self, now_s: float) -> int:
        return max(int(now_s), self.oldest_open)

    def in_flight(self, endpoint: Endpoint, second: int) -> int:
        begun = sum(1 for other, at_s in self.started if other == endpoint and at_s <= second)
        return max(0, begun - sum(1 for other, _, _, at_s in self.ended if other == endpoint and at_s <= second))


@given(st.lists(st.one_of(start, start, end, move, seal), max_size=60))
def test_frames_say_what_a_slow_oracle_says(steps):
    clock = [1_000.5]
    recorder, oracle = Recorder("w", THRESHOLDS, lambda: clock[0]), SlowOracle(1_000)
    frames, open_ = [], Counter()
    for kind, *what in steps:
        if kind == "move":
            clock[0] += what[0]
        elif kind == "seal":
            frames += recorder.seal(users=3)
            oracle.oldest_open = max(oracle.oldest_open, int(clock[0]) - 1)
        elif kind == "start":
            recorder.series(what[0]).start()
            oracle.started.append((what[0], oracle.second(clock[0])))
            open_[what[0]] += 1
        elif open_[what[0]]:
            recorder.series(what[0]).end(what[1], what[2])
            oracle.ended.append((*what, oracle.second(clock[0])))
            open_[what[0]] -= 1
    frames += recorder.close(users=3)

    assert [frame.sequence for frame in frames] == list(range(1, len(frames) + 1))
    assert [frame.second for frame in frames] == list(range(1_000, 1_000 + len(frames)))
    assert [frame.last for frame in frames] == [False] * (len(frames) - 1) + [True]
    compare(frames, oracle)


def compare(frames, oracle: SlowOracle) -> None:
    started, ended, over, buckets = Counter(), Counter(), Counter(), defaultdict(Counter)
    for frame in frames:
        for endpoint in ENDPOINTS:
            seen = frame.endpoints.get(endpoint)
            assert (seen.in_flight if seen else 0) == oracle.in_flight(endpoint, frame.second)
        for endpoint, seen in frame.endpoints.items():
            started[endpoint, frame.second] += seen.started
            for outcome, tally in seen.outcomes.items():
                ended[endpoint, outcome, frame.second] += tally.count
                buckets[endpoint, outcome].update(tally.histograms["service"])
                for threshold_us, slow in tally.over.items():
                    over[endpoint, outcome, frame.second, threshold_us] += slow
    assert +started == Counter(oracle.started)
    assert ended == Counter((endpoint, outcome, second) for endpoint, outcome, _, second in oracle.ended)
    assert over == Counter(
        (endpoint, outcome, second, threshold_us)
        for endpoint, outcome, value_us, second in oracle.ended
        for threshold_us in THRESHOLDS
        if value_us >= threshold_us
    )
    for key, found in buckets.items():
        values = [value_us for endpoint, outcome, value_us, _ in oracle.ended if (endpoint, outcome) == key]
        assert found == Counter(map(bucket_index, values))


def test_a_late_completion_counts_in_the_second_in_which_it_completes():
    clock = [100.0]
    recorder = Recorder("w", THRESHOLDS, lambda: clock[0])
    series = recorder.series(ENDPOINTS[0])
    series.start()
    clock[0] = 107.3
    series.end(Outcome.TIMEOUT, 7_300_000)
    columns = merge(recorder.close())
    assert columns.started[0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert columns.in_flight[0].tolist() == [1, 1, 1, 1, 1, 1, 1, 0]
    assert columns.count[0, Outcome.TIMEOUT].tolist() == [0, 0, 0, 0, 0, 0, 0, 1]


def test_what_ends_before_it_began_because_the_clock_was_set_back_can_be_written_down():
    clock = [100.0]
    recorder = Recorder("w", THRESHOLDS, lambda: clock[0])
    clock[0] = 103.0
    series = recorder.series(ENDPOINTS[0])
    series.start()
    clock[0] = 101.0
    series.end(Outcome.OK, 20)
    frames = recorder.close()
    assert all(encode(frame) for frame in frames)
    assert merge(frames).in_flight[0].tolist() == [0, 0, 0, 0]


def test_times_that_are_given_count_in_the_seconds_of_the_runs_clock():
    recorder = Recorder("w", THRESHOLDS, lambda: 100.0)
    recorder.offset_ns = 400_000_000
    series = recorder.series(ENDPOINTS[0])
    series.start(101_500_000_000)
    series.answered(7_000, 2_000, at_ns=101_599_999_999)
    series.start(101_600_000_000)
    series.end(Outcome.OK, 7, at_ns=101_600_000_000)
    recorder.offset_ns = 0
    series.start(101_600_000_000)
    series.answered(8_999, 2_000, at_ns=101_600_000_000)
    columns = merge(recorder.close())
    assert columns.started[0].tolist() == [0, 2, 1]
    assert columns.count[0, Outcome.OK].tolist() == [0, 2, 1]


def test_what_comes_for_a_sealed_second_counts_in_the_oldest_open_one():
    clock = [100.0]
    recorder = Recorder("w", THRESHOLDS, lambda: clock[0])
    series = recorder.series(ENDPOINTS[0])
    series.start(100_300_000_000)
    clock[0] = 102.0
    sealed = recorder.seal(users=1)
    series.answered(7_000, 2_000, at_ns=100_400_000_000)
    series.start(101_300_000_000)
    columns = merge([*sealed, *recorder.close()])
    assert columns.started[0].tolist() == [1, 1, 0]
    assert columns.count[0, Outcome.OK].tolist() == [0, 1, 0]


def test_a_good_answer_counts_the_same_in_short_as_in_full():
    def frames(*, shortly: bool):
        recorder = Recorder("w", (7,), lambda: 100.0)
        series = recorder.series(ENDPOINTS[0])
        for service_us in (6, 7, 8):
            series.start(100_000_000_000)
            if shortly:
                series.answered(service_us * 1_000 + 999, 2_999, at_ns=100_000_000_000)
            else:
                series.end(Outcome.OK, service_us, lag_us=2, at_ns=100_000_000_000)
        return recorder.close()

    assert frames(shortly=True) == frames(shortly=False)


def test_what_was_never_ended_stays_in_flight_in_the_last_frame():
    recorder = Recorder("w", THRESHOLDS, lambda: 5.0)
    recorder.series(ENDPOINTS[0]).start()
    last = recorder.close()[-1]
    assert last.endpoints[ENDPOINTS[0]].in_flight == 1


def test_an_idle_second_has_a_frame_too():
    clock = [10.0]
    recorder = Recorder("w", THRESHOLDS, lambda: clock[0])
    clock[0] = 14.9
    assert [(frame.second, frame.endpoints) for frame in recorder.seal(users=0)] == [(10, {}), (11, {}), (12, {})]


def test_a_frame_has_the_users_of_the_end_of_its_second_however_late_it_is_sealed():
    clock = [10.0]
    recorder = Recorder("w", THRESHOLDS, lambda: clock[0])
    seen = []
    for clock[0], users in ((11.02, 5), (12.02, 7), (12.9, 8), (16.5, 4), (17.02, 0)):  # of 12 to 14 nobody spoke
        seen += recorder.seal(users)
    clock[0] = 17.3
    seen += recorder.close(users=1)
    assert [(frame.second, frame.users) for frame in seen] == [
        (10, 5), (11, 7), (12, 7), (13, 7), (14, 7), (15, 4), (16, 0), (17, 1),
    ]  # fmt: skip


def test_requests_are_counted_as_begun_answered_or_cut_in_memory_that_survives_and_nothing_else_is():
    counts = no_tally()
    recorder = Recorder("w", THRESHOLDS, lambda: 5.0, counts)
    for kind in Kind:
        series = recorder.series(Endpoint(kind, "j", "GET /a"))
        for _ in range(len(Outcome) + 2):
            series.start()
        series.answered(7_000, 2_000, at_ns=5_000_000_000)
        for outcome in Outcome:
            series.end(outcome, 7)
    answered = 1 + sum(outcome.answered for outcome in Outcome)
    assert list(counts) == [len(Outcome) + 2, answered, len(Outcome) + 1 - answered, 0]


def test_thresholds_judge_the_response_time_where_there_is_one():
    recorder = Recorder("w", (1_000,), lambda: 5.0)
    series = recorder.series(ENDPOINTS[0])
    for response_us in (999, 1_000, 5_000):
        series.start()
        series.end(Outcome.OK, 10, response_us=response_us)
    assert recorder.close()[-1].endpoints[ENDPOINTS[0]].outcomes[Outcome.OK].over == {1_000: 2}


def test_what_was_not_timed_is_counted_too():
    recorder = Recorder("w", THRESHOLDS, lambda: 5.0)
    series = recorder.series(ENDPOINTS[0])
    for service_us in (None, 7, None):
        series.start()
        series.end(Outcome.OK, service_us)
    seen = recorder.close()[-1].endpoints[ENDPOINTS[0]]
    assert (seen.outcomes[Outcome.OK].count, seen.in_flight) == (3, 0)
