import random
from collections import Counter

import pytest

from journal.columns import read_columns
from journal.failures import read_failures
from journal.frames import EndpointSecond, Frame, OutcomeSecond, encode
from journal.outcomes import Endpoint, Kind, Outcome
from journal.readings import read_readings
from journal.spool import Spool, open_spool
from load.distributed.collector import Collector, Pulse, pulse
from load.distributed.reporter import RESEND_AFTER_AT_MOST_S, RESEND_AFTER_S, Parcel, Reporter
from load.health.monitor import ProcessWatch
from load.logbook import Logbook
from load.recorder import Recorder

ENDPOINT = Endpoint(Kind.REQUEST, "j", "GET /")


class Line:
    """A connection between a reporter and a collector that loses, doubles and reorders as the test wants."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.sent: list[dict] = []
        self.now_s = 1_000.0
        self.recorder = Recorder("worker-0", (200_000,), lambda: self.now_s)
        self.logbook = Logbook(self.recorder)
        self.reporter = Reporter(self.logbook, lambda parcel: self.sent.append(parcel.encode()), lambda: self.now_s)

    def second(self, requests: int) -> None:
        series = self.recorder.series(ENDPOINT)
        for _ in range(requests):
            series.start()
            series.end(Outcome.OK, 1_000)
        self.now_s += 1
        self.reporter.report(self.recorder.seal(users=1))

    def deliver(self, data: dict) -> bool:
        parcel = Parcel.decode(data)
        return self.collector.take("worker-0", parcel)


@pytest.fixture
def line(make_run):
    run = make_run("http://127.0.0.1:1")
    line = Line(Collector(run))
    line.run = run
    yield line
    line.collector.close()


def test_frames_arrive_exactly_once_over_a_line_that_loses_doubles_and_reorders(line):
    chance = random.Random(7)
    for number in range(60):
        line.second(requests=number)
        mail, line.sent[:] = list(line.sent), []
        chance.shuffle(mail)
        for parcel in mail:
            for _ in range(chance.choice([0, 0, 1, 2])):
                line.deliver(parcel)
                if chance.random() < 0.5:
                    line.reporter.acknowledged(parcel["sequence"])
    line.reporter.report(line.recorder.close())
    for _ in range(50):
        mail, line.sent[:] = list(line.sent), []
        for parcel in mail:
            line.deliver(parcel)
            line.reporter.acknowledged(parcel["sequence"])
        line.now_s += RESEND_AFTER_S
        line.reporter.resend(older_than_s=RESEND_AFTER_S)
        if not line.reporter.unacknowledged:
            break
    columns = read_columns(line.run.frames)
    assert columns.count.sum() == sum(range(60))
    assert [(worker.frames, worker.missing, worker.complete) for worker in columns.workers] == [(61, (), True)]
    assert line.collector.complete("worker-0")


def test_a_parcel_is_sent_again_only_after_a_while(line):
    line.second(1)
    line.second(1)
    assert [parcel["sequence"] for parcel in line.sent] == [1]
    line.second(1)
    assert [parcel["sequence"] for parcel in line.sent] == [1, 2]
    line.second(1)
    assert sorted(parcel["sequence"] for parcel in line.sent) == [1, 1, 2, 3]


def test_a_master_that_is_behind_is_not_buried_in_repeats(line):
    silent_s = 60
    for _ in range(silent_s):
        line.second(1)
    times_sent = Counter(parcel["sequence"] for parcel in line.sent)
    assert times_sent[1] == 6  # at first, and after 2, 6, 14, 30 and 46 s
    assert len(line.sent) < 6 * silent_s
    line.sent.clear()
    line.now_s += RESEND_AFTER_AT_MOST_S
    line.reporter.resend()
    assert len(line.sent) == line.reporter.unacknowledged == silent_s - 1, "none is forgotten"


def test_a_worker_is_complete_when_its_last_frame_and_all_before_it_have_arrived(line):
    line.second(1)
    line.reporter.report(line.recorder.close())
    assert len(line.sent) == 2
    line.deliver(line.sent[1])
    assert not line.collector.complete("worker-0")
    line.deliver(line.sent[0])
    assert line.collector.complete("worker-0")


def test_failures_readings_and_warnings_travel_with_a_frame_and_are_written_once(line):
    line.logbook.failed(ENDPOINT, Outcome.CUT, "reset", "api-1@5")
    line.reporter.note([ProcessWatch("worker-0").read()], ["look out"])
    line.second(1)
    line.second(1)
    assert line.deliver(line.sent[0])
    assert not line.deliver(line.sent[0])
    assert line.sent[0]["warnings"] == ["look out"]
    failures, damages = read_failures(line.run.failures)
    assert [(failure.outcome, failure.served_by) for failure in failures] == [("CUT", "api-1@5")]
    series, _ = read_readings(line.run.readings)
    assert [(one.subject, one.role, len(one.at_ns)) for one in series] == [("worker-0", "generator", 1)]
    assert series[0].rss_bytes[0] > 1_000_000
    assert damages == []


def test_the_pulse_is_that_of_the_last_second_in_which_all_may_have_reported(line):
    for requests in (3, 5, 7):
        line.second(requests)
    for parcel in line.sent:
        line.deliver(parcel)
    assert pulse(list(line.collector.recent)) == Pulse(users=1, requests=3, bad=0, failed=0)
    assert pulse([]) == Pulse(0, 0, 0, 0)


def test_the_pulse_counts_all_workers_however_many(make_run):
    collector = Collector(make_run("http://127.0.0.1:1", name="many"))
    for second in range(1_000, 1_006):
        for number in range(200):
            seen = EndpointSecond(3, 0, {Outcome.OK: OutcomeSecond(3)})
            frame = Frame(f"worker-{number}", second - 999, second, 2, {ENDPOINT: seen})
            collector.take(frame.worker, Parcel(frame.sequence, encode(frame), last=False))
    assert pulse(list(collector.recent)) == Pulse(users=400, requests=600, bad=0, failed=0)
    assert len(collector.recent) <= 4 * 200
    collector.close()


def test_the_pulse_judges_the_requests_of_all_outcomes_and_nothing_else():
    good = OutcomeSecond(10, over={1_000: 4, 200_000: 1})
    seen = EndpointSecond(13, 0, {Outcome.OK: good, Outcome.CUT: OutcomeSecond(2, over={1_000: 2})})
    workflow = Endpoint(Kind.WORKFLOW, "j", "task")
    frames = [Frame("worker-0", second, second, 1, {ENDPOINT: seen, workflow: seen}) for second in (1, 2)]
    assert pulse(frames) == Pulse(users=1, requests=12, bad=6, failed=2)


@pytest.fixture
def spooled(line, tmp_path):
    spool = Spool(tmp_path / "spool", "run", "worker-0", limit_bytes=8_192)

    def send(parcel: Parcel) -> None:
        line.sent.append(parcel.encode())
        line.in_spool.append([each.frame.sequence for each in open_spool(spool.path).read()[0]])

    line.in_spool = []
    line.reporter = Reporter(line.logbook, send, lambda: line.now_s, spool)
    line.spool = spool
    line.second(1)
    line.second(1)
    line.second(1)
    return line


def test_a_parcel_is_in_the_spool_before_it_is_sent_and_until_the_master_has_all_of_them(spooled):
    assert spooled.in_spool == [[1], [1, 2]]
    spooled.reporter.acknowledged(1)
    assert len(open_spool(spooled.spool.path).read()[0]) == 2
    spooled.reporter.acknowledged(2)
    assert open_spool(spooled.spool.path).read() == ([], [])


def test_a_spool_goes_in_the_end_unless_it_holds_what_the_master_does_not_have(spooled):
    spooled.reporter.acknowledged(1)
    spooled.reporter.close()
    assert spooled.spool.path.exists()
    spooled.reporter.acknowledged(2)
    spooled.reporter.close()
    assert not spooled.spool.path.exists()


def test_a_spool_without_room_is_told_with_the_next_frame_and_the_frame_is_sent_all_the_same(spooled):
    spooled.reporter.note([], ["x" * 10_000])
    spooled.second(1)
    spooled.second(1)
    warnings = {parcel["sequence"]: parcel["warnings"] for parcel in spooled.sent}
    assert [bool(warnings[sequence]) for sequence in (1, 2, 3, 4)] == [False, False, True, True]
    assert "the spool is full" in warnings[4][0]
    assert spooled.in_spool[-1] == [1, 2, 4]
