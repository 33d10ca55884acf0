"""How numbers read."""

import pytest

from analysis.verdict import Estimate, anchor
from analysis.words import bounds, clock, counted, decimals_for, duration, more_time, percent, signed, target_percent


@pytest.mark.parametrize(
    ("share", "decimals", "text"),
    [
        (0.972, 1, "97.2"),
        (0.99961, 2, "99.96"),
        (0.99999, 1, "99.9"),
        (1.0, 1, "100.0"),
        (1.42, 0, "142"),
        (None, 1, "?"),
    ],
)
def test_shares_read_as_per_cent_and_only_all_reads_as_100(share: float | None, decimals: int, text: str) -> None:
    assert percent(share, decimals) == text


@pytest.mark.parametrize(("target", "decimals", "text"), [(0.95, 1, "95"), (0.99, 1, "99"), (0.999, 2, "99.9")])
def test_a_strict_promise_is_measured_with_more_decimals(target: float, decimals: int, text: str) -> None:
    assert (decimals_for(target), target_percent(target)) == (decimals, text)


def test_bounds_read_from_low_to_high() -> None:
    assert bounds(Estimate(value=0.97, low=0.965, high=0.978)) == "96.5 to 97.8"


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (72, "1:12"), (3600 + 62, "1:01:02"), (-3, "0:00")])
def test_elapsed_time_reads_like_a_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (359, "6 min"), (11_000, "3.1 h")])
def test_durations_keep_one_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(340, "about 6 more minutes decide"), (1, "about 1 more second decides")]
)
def test_the_time_that_would_decide_reads_as_a_clause(seconds: float, text: str) -> None:
    assert more_time(seconds) == text


def test_one_is_singular() -> None:
    assert (counted(1, "row"), counted(2, "row"), counted(0, "row")) == ("1 row", "2 rows", "0 rows")


def test_anchors_are_plain_words() -> None:
    assert anchor("endpoint", "agents", "GET /mas/{id}") == "endpoint-agents-get-mas-id"


@pytest.mark.parametrize(
    ("value", "text"), [(1.84, "+1.8"), (-0.96, "-1.0"), (0.0, "0.0"), (3.8e-13, "0.0"), (-0.04, "0.0"), (0.05, "+0.1")]
)
def test_a_slope_that_rounds_to_nothing_has_no_sign(value: float, text: str) -> None:
    assert signed(value) == text
