"""What Locust's own statistics are told, and what they may keep of it."""

from locust.stats import RequestStats

from journal.frames import EndpointSecond, Frame, OutcomeSecond
from journal.outcomes import Endpoint, Kind, Outcome
from load.locust_stats import KEEP_SECONDS, feed, forget_past

ENDPOINT = Endpoint(Kind.REQUEST, "j", "GET /")
BEGAN_S, LASTS_S, PER_SECOND = 1_000_000, 3_000, 4


def second_of_load(number: int) -> Frame:
    ended = OutcomeSecond(PER_SECOND - 1, {}, {"service": {5: PER_SECOND - 1}})
    refused = OutcomeSecond(1, {}, {"service": {5: 1}})
    seen = EndpointSecond(PER_SECOND, 0, {Outcome.OK: ended, Outcome.SERVER_ERROR: refused})
    return Frame("worker-0", number + 1, BEGAN_S + number, 1, {ENDPOINT: seen})


def after_a_long_run(*, keep_history: bool, forgetful: bool = True) -> RequestStats:
    stats = RequestStats()
    stats.total.start_time = float(BEGAN_S)
    for number in range(LASTS_S):
        feed(stats, second_of_load(number))
        if number % 5 == 0:
            stats.history.append({"time": number})
        if forgetful:
            forget_past(stats, keep_history=keep_history)
    return stats


def test_what_locust_keeps_of_each_second_does_not_grow_with_the_run():
    stats = after_a_long_run(keep_history=False)
    for entry in (stats.total, *stats.entries.values()):
        assert KEEP_SECONDS <= len(entry.num_reqs_per_sec) <= 2 * KEEP_SECONDS
        assert KEEP_SECONDS <= len(entry.num_fail_per_sec) <= 2 * KEEP_SECONDS
    assert not stats.history


def test_locust_says_the_same_of_a_run_whose_past_seconds_it_forgot():
    stats, whole = after_a_long_run(keep_history=False), after_a_long_run(keep_history=True, forgetful=False)
    assert len(whole.total.num_reqs_per_sec) == LASTS_S
    assert stats.total.to_dict() == whole.total.to_dict()
    assert stats.total.current_rps == whole.total.current_rps == PER_SECOND
    assert stats.total.current_fail_per_sec == whole.total.current_fail_per_sec == 1


def test_the_history_stays_for_locusts_own_report():
    assert len(after_a_long_run(keep_history=True).history) == LASTS_S / 5
