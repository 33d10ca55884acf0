"""Shows a run in a terminal of 80 × 24: so far, SLOs, latency and rate, faults, the generator, errors."""

import math
import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from analysis.intervals import clopper_pearson
from gameday.plain_view import clock
from gameday.progress import FaultProgress, Progress, Tally
from journal.plan import Plan
from journal.timeline import Event

WIDTH = 79
SPARK = " .:-=+*#%@"
_SPARK_SECONDS = 40
_RULE = "-" * WIDTH


class LiveView:
    """Redraws the screen as the run goes on; use as a context manager."""

    def __init__(self, plan: Plan, run_name: str, console: Console) -> None:
        self._plan = plan
        self._run_name = run_name
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._began_s = time.time()
        self._drawn_s = 0.0

    def __enter__(self) -> "LiveView":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def refresh(self, progress: Progress, events: list[Event]) -> None:
        """Redraws, at most twice a second unless something happened."""
        now_s = time.time()
        if events or now_s - self._drawn_s >= 0.5:
            self._drawn_s = now_s
            self._live.update(Text("\n".join(self.lines(progress, now_s))), refresh=True)

    def lines(self, progress: Progress, now_s: float) -> list[str]:
        """The whole screen as lines of at most 79 characters."""
        rows = [
            self._head(progress, now_s),
            self._so_far(progress),
            _RULE,
            *self._slo_rows(progress),
            _RULE,
            *self._history_rows(progress),
            _RULE,
            *_fault_rows(progress, now_s),
            *_bottom_rows(progress, self._began_s),
        ]
        return [row[:WIDTH].rstrip() for row in rows][:23]

    def _head(self, progress: Progress, now_s: float) -> str:
        total_s = self._plan.load.duration_s
        began_ns = progress.load_began_ns
        elapsed_s = 0.0 if began_ns is None else now_s - began_ns / 1e9 + self._plan.load.warm_up_s
        share = min(1.0, elapsed_s / total_s)
        bar = ("#" * round(20 * share)).ljust(20, ".")
        phase = progress.phase or "starting"
        return f" gameday {self._plan.name}  {phase:<10} {clock(elapsed_s)} of {clock(total_s)}  [{bar}] {share:4.0%}"

    def _so_far(self, progress: Progress) -> str:
        states = {_state(tally, self._plan.slo.good_share) for tally in progress.journeys.values()}
        word = "x FAIL" if "x miss" in states else "? OPEN" if "? open" in states or not states else "+ HOLDS"
        users = sum(progress.users.values())
        return f" SO FAR {word}   users {users} of {progress.users_planned}   run {self._run_name}"

    def _slo_rows(self, progress: Progress) -> list[str]:
        slo = self._plan.slo
        head = f" {'UNDER ' + format(slo.threshold_ms, 'g') + ' ms':<20} {'target':>8} {'last 10 s':>10}"
        rows = [f"{head} {'so far [95 % bounds]':>24}  state"]
        for name, tally in sorted(progress.journeys.items()):
            good, low, high = _share(tally)
            recent = tally.recent_good_share
            last = "-" if recent is None else f"{recent:.1%}"
            bounds = "-" if math.isnan(good) else f"{good:.1%} [{100 * low:.1f} .. {100 * high:.1f}]"
            row = f" {name:<20} {slo.good_share:>7.0%}+ {last:>10} {bounds:>24}  {_state(tally, slo.good_share)}"
            rows.append(row)
        return rows

    def _history_rows(self, progress: Progress) -> list[str]:
        seconds = [progress.seconds[second] for second in sorted(progress.seconds)][-_SPARK_SECONDS:]
        p95_ms = [row.service.quantile_us(0.95) / 1000 for row in seconds]
        rates = [float(row.samples) for row in seconds]
        threshold_ms = self._plan.slo.threshold_ms
        latency = f"now {_last(p95_ms)} ms   SLO {threshold_ms:g}"
        return [
            f" p95 ms    {_spark(p95_ms, threshold_ms):<{_SPARK_SECONDS}}  {latency}",
            f" rate /s   {_spark(rates, max(rates, default=0)):<{_SPARK_SECONDS}}  now {_last(rates)}",
        ]


def _share(tally: Tally) -> tuple[float, float, float]:
    if not tally.samples:
        return math.nan, 0.0, 1.0
    low, high = clopper_pearson(tally.bad, tally.samples)
    return 1 - tally.bad / tally.samples, 1 - high, 1 - low


def _state(tally: Tally, target: float) -> str:
    _, low, high = _share(tally)
    return "+ ok" if low > target else "x miss" if high < target else "? open"


def _last(values: list[float]) -> str:
    return "-" if not values or math.isnan(values[-1]) else f"{values[-1]:.0f}"


def _spark(values: list[float], full: float) -> str:
    """One character a second: blank for none, @ for `full` and above."""
    steps = len(SPARK) - 1
    return "".join(
        " " if math.isnan(value) or full <= 0 else SPARK[min(steps, max(1, round(steps * value / full)))]
        for value in values
    )


def _fault_rows(progress: Progress, now_s: float) -> list[str]:
    if not progress.faults:
        return []
    rows = [f" {'FAULT':<32} {'state':<14} {'effect':<7} since"]
    return rows + [_fault_row(fault, now_s) for fault in progress.faults.values()] + [_RULE]


def _fault_row(fault: FaultProgress, now_s: float) -> str:
    name = f"{fault.id} {fault.name} {fault.target.partition(' (')[0]}"
    since = clock(now_s - fault.since_ns / 1e9)
    return f" {name[:32]:<32} {fault.state:<14} {fault.effect or '-':<7} {since}"


def _bottom_rows(progress: Progress, began_s: float) -> list[str]:
    lag = "-" if not len(progress.lag) else f"{progress.lag.quantile_us(0.99) / 1000:.1f} ms"
    rows = [f" GENERATOR {len(progress.users)} workers  lag p99 {lag}"]
    if progress.arrivals is not None:
        rows.append(f" {progress.arrivals.words.replace('arrivals', 'ARRIVALS ')}")
    worst = sorted(progress.errors.items(), key=lambda item: -item[1])[:2]
    if worst:
        rows.append(" ERRORS    " + "   ".join(f"{label} x {n} {name}" for (label, name), n in worst))
    return rows + [f" {clock(at_ns / 1e9 - began_s)}     {text}" for at_ns, text in progress.messages[-3:]]
