"""Leaks: found when they are there, not seen in warm-ups, steps and noise, and never excluded early."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from analysis.evidence import NS, Evidence, load_evidence
from analysis.memory import floor_series, memory_gates, memory_results
from analysis.trend import bin_means, gls_slope, hours_needed, late_slope, shape
from analysis.verdict import MemoryResult, State
from journal.manifest import ReadingsOrigin
from journal.plan import Gates
from journal.readings import Reading, ReadingWriter
from journal.run_directory import RunDirectory

T0_NS = 1_700_000_010 * NS  # where the load phase of the synthetic runs begins
MIB = 1024 * 1024
Judge = Callable[..., MemoryResult]


@pytest.fixture
def judged(synthetic: Callable[..., RunDirectory]) -> Judge:
    """Judges a memory curve (MiB over seconds) of one process; the load lasts as long as the curve, or `load_s`."""

    def judge(
        level_mib: np.ndarray,
        *,
        every_s: float = 1.0,
        role: str = "api",
        restart_at: int = 0,
        source: str = "psutil",
        load_s: int = 0,
    ) -> MemoryResult:
        run = synthetic(frames=False, readings=False, load_s=load_s or int(level_mib.size * every_s))
        writer = ReadingWriter(run.readings)
        readings = [_reading(i, level, every_s, role, int(i >= restart_at)) for i, level in enumerate(level_mib)]
        if source == "metrics API":
            readings = [replace(reading, uss_bytes=0) for reading in readings]
        writer.write(readings)
        writer.close()
        evidence: Evidence = load_evidence(run)
        plan = replace(evidence.manifest.plan, gates=Gates(required=("memory",)))
        manifest = replace(evidence.manifest, plan=plan, readings=ReadingsOrigin(source=source))
        (result,) = memory_results(replace(evidence, manifest=manifest))
        return result

    return judge


def test_a_leak_of_64_kib_per_request_is_found_within_a_minute(judged: Judge) -> None:
    result = judged(100 + 2.5 * np.arange(60) + _noise(60, sigma=1.0))
    assert (result.state, result.shape) == ("fail", "leak")
    assert 8500 < result.slope_mib_per_h.value < 9500
    assert result.slope_mib_per_h.low < result.slope_mib_per_h.value < result.slope_mib_per_h.high


def test_a_leak_is_found_though_the_load_pauses_now_and_then(judged: Judge) -> None:
    rate = np.where((np.arange(150) > 80) & (np.arange(150) < 95), 0.5, 2.5)
    assert judged(100 + np.cumsum(rate) + _noise(150, sigma=1.0)).state == "fail"


def test_a_small_leak_is_found_in_a_long_run(judged: Judge) -> None:
    hours = np.arange(0, 8, 1 / 240)
    result = judged(200 + 12 * hours + _noise(hours.size, sigma=1.0, phi=0.8), every_s=15.0)
    assert result.state == "fail"
    assert result.slope_mib_per_h.value == pytest.approx(12, abs=2)


@pytest.mark.parametrize(
    "curve",
    [
        pytest.param(60 + 30 * (1 - np.exp(-np.arange(90) / 20)), id="warm-up"),
        pytest.param(60 + 80 * (1 - np.exp(-np.arange(90) / 40)), id="slow warm-up"),
        pytest.param(np.where(np.arange(90) < 40, 60.0, 110.0), id="step"),
        pytest.param(np.minimum(60 + 2.0 * np.arange(90), 130.0), id="rise to a plateau"),
        pytest.param(60 + 0.1 * np.arange(90), id="a few MiB, as any young process takes"),
    ],
)
def test_growth_that_stops_or_is_slight_is_not_called_a_leak(judged: Judge, curve: np.ndarray) -> None:
    result = judged(curve + _noise(90, sigma=0.2))
    assert result.state == "inconclusive"
    assert result.hours_needed


def test_a_short_run_is_never_clean_however_flat_it_is(judged: Judge) -> None:
    result = judged(np.full(90, 64.0))
    assert result.state == "inconclusive"
    assert result.hours_needed == pytest.approx((3540 - 89) / 3600, abs=0.01)


def test_readings_that_only_repeat_the_one_before_do_not_count(judged: Judge) -> None:
    level = np.repeat(100 + 12.5 * np.arange(18) + _noise(18, sigma=1.0), 5)
    result = judged(level)
    assert (result.state, result.points) == ("fail", 18)


def test_an_hour_in_which_nothing_moved_for_long_is_clean(judged: Judge) -> None:
    moved = np.where(np.arange(3600) < 200, 64 + 0.1 * (np.arange(3600) // 10 % 3), 64.0)
    result = judged(moved)
    assert (result.state, result.shape) == ("pass", "flat"), result.reason


def test_growth_that_stopped_for_good_is_no_leak_however_little_moved_since(judged: Judge) -> None:
    level = 60 + np.minimum(np.arange(3600) // 10, 30) * 2.0
    result = judged(level)
    assert result.state != "fail", result.reason
    assert result.shape != "leak"


def test_hours_of_a_flat_level_are_clean(judged: Judge) -> None:
    result = judged(64 + _noise(4 * 240, sigma=0.5), every_s=15.0)
    assert (result.state, result.shape) == ("pass", "flat")
    assert result.slope_mib_per_h.high < result.tolerance_mib_per_h


@pytest.mark.parametrize("slope", [4.9, 5.1])
def test_a_slope_that_may_be_the_tolerance_is_neither_a_leak_nor_clean(judged: Judge, slope: float) -> None:
    hours = np.arange(0, 8, 1 / 240)
    result = judged(200 + slope * hours + _noise(hours.size, sigma=10.0), every_s=15.0)
    assert result.slope_mib_per_h.low < result.tolerance_mib_per_h < result.slope_mib_per_h.high
    assert result.slope_mib_per_h.value == pytest.approx(slope, abs=0.05)
    assert (result.state, result.shape) == ("inconclusive", "flat")


def test_what_a_process_takes_after_the_load_is_not_judged(judged: Judge) -> None:
    result = judged(64 + _noise(90, sigma=0.1), load_s=60)
    assert result.points == 61


def test_a_process_that_began_in_the_load_has_its_first_quarter_for_its_warm_up(judged: Judge) -> None:
    result = judged(64 + _noise(140, sigma=0.1), restart_at=39)
    assert (result.incarnations, result.points) == (2, 76)


def test_a_noisy_level_takes_more_than_an_hour_to_be_clean(judged: Judge) -> None:
    assert judged(64 + _noise(300, sigma=20.0, phi=0.9), every_s=15.0).state == "inconclusive"


def test_a_restart_splits_the_series_and_the_longest_life_is_judged(judged: Judge) -> None:
    sawtooth = np.concatenate((60 + 2.5 * np.arange(100), 60 + 2.5 * np.arange(50)))
    result = judged(sawtooth, restart_at=100)
    assert (result.incarnations, result.points, result.state) == (2, 100, "fail")


def test_a_data_store_may_grow_with_what_it_is_given(judged: Judge) -> None:
    result = judged(20 + 1.0 * np.arange(90) + _noise(90, sigma=0.1), role="redis")
    assert (result.state, result.shape) == ("inconclusive", "growth")


@pytest.mark.parametrize("role", ["generator", "conductor"])
def test_the_harness_is_held_to_its_own_measure_but_its_leak_is_not_the_targets(judged: Judge, role: str) -> None:
    result = judged(20 + 1.0 * np.arange(90) + _noise(90, sigma=0.1), role=role)
    assert (result.shape, result.subject) == ("leak", f"{role} api-0")
    nothing_of_the_target, leak = memory_gates((result,), required=True)
    assert (nothing_of_the_target.required, nothing_of_the_target.state) == (True, State.INCONCLUSIVE)
    assert (leak.required, leak.state) == (False, State.FAIL)


def test_a_data_store_alone_does_not_answer_for_the_target(judged: Judge) -> None:
    store = judged(64 + _noise(4 * 240, sigma=0.5), every_s=15.0, role="redis")
    nothing_of_the_target, informs = memory_gates((store,), required=True)
    assert (nothing_of_the_target.required, nothing_of_the_target.state) == (True, State.INCONCLUSIVE)
    assert (informs.required, informs.state) == (False, State.PASS)


def test_a_noisy_step_is_called_one_where_its_slope_alone_would_prove_a_leak(judged: Judge) -> None:
    result = judged(np.where(np.arange(120) < 70, 60.0, 120.0) + _noise(120, sigma=40.0))
    assert result.slope_mib_per_h.low > result.tolerance_mib_per_h
    assert (result.state, result.shape) == ("inconclusive", "step")


def test_private_memory_is_judged_where_it_could_be_read_and_never_a_reading_of_nothing(
    synthetic: Callable[..., RunDirectory],
) -> None:
    evidence = load_evidence(synthetic(frames=False))
    series = evidence.readings[0]
    assert set(floor_series(evidence, series).mib * MIB) <= set(series.uss_bytes)
    gaps = np.where(np.arange(series.at_ns.size) % 3 == 0, 0, series.rss_bytes)
    resident = floor_series(evidence, replace(series, uss_bytes=np.zeros_like(gaps), rss_bytes=gaps))
    assert resident.mib.min() > 60


def test_a_handful_of_readings_says_nothing(judged: Judge) -> None:
    result = judged(np.arange(7.0) * 50)
    assert (result.state, result.slope_mib_per_h.value) == ("inconclusive", None)


def test_the_anonymous_memory_of_a_container_proves_a_leak_as_that_of_a_process_does(judged: Judge) -> None:
    result = judged(100 + 2.5 * np.arange(60) + _noise(60, sigma=1.0), source="kubelet cAdvisor")
    assert result.state == "fail"
    assert "working set" not in result.reason


def test_a_working_set_that_grows_proves_no_leak(judged: Judge) -> None:
    result = judged(100 + 2.5 * np.arange(60) + _noise(60, sigma=1.0), source="metrics API")
    assert (result.state, result.shape) == ("inconclusive", "growth")
    assert "page cache" in result.reason


@pytest.mark.parametrize(("hours", "state"), [(4, "pass"), (0.2, "inconclusive")])
def test_what_was_judged_by_its_working_set_says_so(judged: Judge, hours: float, state: str) -> None:
    result = judged(64 + _noise(int(hours * 240), sigma=0.5), every_s=15.0, source="metrics API")
    assert result.state == state
    assert "judged by its working set, which holds page cache too" in result.reason


@pytest.mark.parametrize(("phi", "most"), [(0.5, 0.03), (0.8, 0.07)])
def test_points_that_resemble_their_neighbours_are_seldom_taken_for_a_rise(phi: float, most: float) -> None:
    """Without the memory of the errors 7 and 22 of a hundred are, without the correction of its bias 4 and 9."""
    at = np.arange(32.0)
    low = [gls_slope(at, _noise(32, sigma=1.0, phi=phi, seed=seed)).low for seed in range(400)]
    assert np.mean(np.array(low) > 0) <= most


@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_a_flat_level_with_memory_is_hardly_ever_above_its_bounds(phi: float) -> None:
    """The one-sided 1 % bound alone, without the vetoes, over 32 bins of a run as long as its noise asks for."""
    at = np.arange(3200.0)
    low = [gls_slope(*bin_means(at, _noise(3200, sigma=1.0, phi=phi, seed=seed), 32)).low for seed in range(400)]
    assert np.mean(np.array(low) > 0) <= 0.025


def test_hardly_any_straight_leak_is_vetoed() -> None:
    at = np.arange(32.0)
    shapes = []
    for seed in range(100):
        level = at + _noise(32, sigma=1.0, phi=0.5, seed=seed)
        shapes.append(shape(at, level, gls_slope(at, level)))
    assert shapes.count("line") >= 90


@pytest.mark.parametrize(("slope", "hours"), [(1.0, 6.0), (5.0, 2.1), (20.0, 0.8)])
def test_the_hours_needed_are_those_of_the_table(slope: float, hours: float) -> None:
    assert round(hours_needed(4.0, 0.8, 15 / 3600, slope), 1) == hours


def test_the_generalised_slope_is_that_of_an_exact_line() -> None:
    at = np.linspace(0, 2, 32)
    slope = gls_slope(at, 3 + 4 * at)
    assert (slope.low, slope.value, slope.high) == pytest.approx((4, 4, 4))


def test_the_late_slope_is_the_median_over_all_pairs() -> None:
    random = np.random.default_rng(3)
    at, level = np.arange(20.0), random.normal(size=20)
    slow = [(level[j] - level[i]) / (at[j] - at[i]) for i in range(10, 20) for j in range(i + 1, 20)]
    assert late_slope(at, level) == pytest.approx(np.median(slow))


def _noise(size: int, *, sigma: float, phi: float = 0.0, seed: int = 5) -> np.ndarray:
    innovations = np.random.default_rng(seed).normal(size=size + 100) * np.sqrt(1 - phi**2)
    return sigma * signal.lfilter([1], [1, -phi], innovations)[100:]


def _reading(number: int, level_mib: float, every_s: float, role: str, life: int) -> Reading:
    memory = round(level_mib * MIB)
    at_ns = T0_NS + round(number * every_s * NS)
    return Reading(at_ns, "api-0", role, f"{life}@1.00", memory + 9 * MIB, memory, 0.1 * number, 4, 20)
