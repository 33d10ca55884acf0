"""Shows a run as plain lines, for logs and pipes: one line every ten seconds and one for each event."""

import math
import sys
import time
from typing import TextIO

from gameday.progress import Progress, describe
from journal.timeline import Event

INTERVAL_S = 10.0


def clock(seconds: float) -> str:
    """Seconds as mm:ss, or h:mm:ss from an hour on."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60:02d}:{rest % 60:02d}"


class PlainView:
    """Prints lines as they come."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._began_s = time.time()
        self._due_s = self._began_s + INTERVAL_S

    def refresh(self, progress: Progress, events: list[Event]) -> None:
        """Prints the new events, and a line of figures when one is due."""
        for event in events:
            sentence = describe(event)
            if sentence:
                self._print(event.at_ns / 1e9, sentence)
        now_s = time.time()
        if now_s >= self._due_s:
            self._due_s = now_s + INTERVAL_S
            self._print(now_s, figures(progress))

    def _print(self, at_s: float, text: str) -> None:
        print(f"{clock(at_s - self._began_s)}  {text}", file=self._out, flush=True)


def figures(progress: Progress) -> str:
    """The last ten seconds in one line."""
    rows = [progress.seconds[second] for second in sorted(progress.seconds)[-10:]]
    samples = sum(row.samples for row in rows)
    bad = sum(row.bad for row in rows)
    p95_ms = _recent_p95_ms(progress)
    latency = "-" if math.isnan(p95_ms) else f"{p95_ms:.0f} ms"
    share = f"{bad / samples:.1%}" if samples else "-"
    users = sum(progress.users.values())
    arrived = "" if progress.arrivals is None else f"  {progress.arrivals.words}"
    return f"users {users}  rate {samples / max(1, len(rows)):.0f}/s  p95 {latency}  bad {share}{arrived}"


def _recent_p95_ms(progress: Progress) -> float:
    rows = [progress.seconds[second].service for second in sorted(progress.seconds)[-10:]]
    if not rows:
        return math.nan
    return sum(rows[1:], rows[0]).quantile_us(0.95) / 1000
