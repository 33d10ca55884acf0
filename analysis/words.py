"""Numbers as people read them: per cent, durations and places in time, the same in every output."""

import math

from analysis.verdict import Estimate


def decimals_for(target: float) -> int:
    """How many decimals of a per cent it takes to see a difference from a target share: 0.95 → 1, 0.999 → 2."""
    return max(1, math.ceil(-math.log10(1 - target)) - 1)


def percent(share: float | None, decimals: int = 1) -> str:
    """0.972 → "97.2"; nothing known → "?"; what is not all is never rounded to 100."""
    if share is None:
        return "?"
    shown = round(share * 100, decimals)
    most = 100 - 10.0**-decimals
    return f"{most if share < 1 and shown > most else shown:.{decimals}f}"


def target_percent(share: float) -> str:
    """A promised share without needless zeros: 0.95 → "95", 0.999 → "99.9"."""
    return f"{round(share * 100, 6):g}"


def bounds(estimate: Estimate, decimals: int = 1) -> str:
    """The bounds of a share in per cent: "96.5 to 97.8"."""
    return f"{percent(estimate.low, decimals)} to {percent(estimate.high, decimals)}"


def clock(elapsed_s: float) -> str:
    """Elapsed time as m:ss or h:mm:ss."""
    whole = max(0, int(elapsed_s))
    hours, minutes, seconds = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def duration(seconds: float) -> str:
    """A rough length of time in one unit, rounded up: "40 s", "6 min", "3.1 h"."""
    if seconds < 100:
        return f"{math.ceil(seconds)} s"
    if seconds < 100 * 60:
        return f"{math.ceil(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def more_time(seconds: float) -> str:
    """How much more of the same would decide: "about 6 more minutes decide"."""
    amount, unit = duration(seconds).split()
    number = float(amount)
    name = {"s": "second", "min": "minute", "h": "hour"}[unit]
    return f"about {amount} more {name}{'' if number == 1 else 's'} decide{'s' if number == 1 else ''}"


def counted(number: int, noun: str) -> str:
    """ "1 request", "2 requests"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def signed(value: float) -> str:
    """+1.8, -0.9 or 0.0."""
    text = f"{value:+.1f}"
    return text if float(text) else "0.0"
