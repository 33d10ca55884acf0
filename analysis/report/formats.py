"""How numbers, intervals, times and states read in the reports."""

import math
import re
from datetime import UTC, datetime

from analysis import words
from analysis.verdict import Estimate, State

NONE = "–"
MINUS = "−"
SIGNS = {State.PASS: "✓", State.FAIL: "✗", State.INCONCLUSIVE: "?"}
_NOISE = 0.01
RANKS = {State.FAIL: 0, State.INCONCLUSIVE: 1, State.PASS: 2}
# characters that no XML holds and no terminal should be sent
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def sign(state: str) -> str:
    """The sign of a state; "!" for what is none of the three."""
    return SIGNS.get(State(state), "!") if state in set(State) else "!"


def rank(state: str) -> int:
    """Fail before inconclusive before pass, for sorting."""
    return RANKS[State(state)] if state in set(State) else 0


def clean(text: str) -> str:
    """The text with every control character made visible as �."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def count(number: int) -> str:
    """12,345."""
    return f"{number:,}"


def share(value: float | None, decimals: int = 1) -> str:
    """97.2 %; more decimals where fewer would claim 100 or 0 %."""
    if value is None:
        return NONE
    if value in {0.0, 1.0}:
        return f"{value * 100:.0f} %"
    enough = (digits for digits in (decimals, 2, 3) if f"{value * 100:.{digits}f}".strip("0.") not in {"", "1"})
    return f"{value * 100:.{next(enough, 4)}f} %"


def decimals_for(threshold: float | None) -> int:
    """How many decimals of a per cent a difference from this share takes to see."""
    return words.decimals_for(threshold) if threshold is not None and 0 < threshold < 1 else 1


def significant(value: float | None, digits: int = 3) -> str:
    """Three significant digits, without an exponent."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}".replace("-", MINUS)


def signed(value: float | None) -> str:
    """+1.8 or −0.9; 0 for what is nothing but the noise of arithmetic."""
    if value is None or abs(value) < _NOISE:
        return NONE if value is None else "0"
    return ("+" if value > 0 else "") + significant(value, 2)


def amount(value: float | None, unit: str, decimals: int = 1) -> str:
    """A number without its unit; a share in % with so many decimals."""
    if value is None:
        return NONE
    if unit == "share":
        return share(value, decimals).removesuffix(" %")
    if unit == "MiB/h":
        return signed(value)
    if unit in {"count", "users"}:
        return count(round(value))
    return significant(value)


def value_of(estimate: Estimate, unit: str, decimals: int = 1) -> str:
    """97.2 %."""
    word = {"share": " %", "count": "", "users": ""}.get(unit, f" {unit}")
    return NONE if estimate.value is None else amount(estimate.value, unit, decimals) + word


def interval_of(estimate: Estimate, unit: str, decimals: int = 1) -> str:
    """96.5 to 97.8; empty without bounds."""
    low, high = (amount(bound, unit, decimals) for bound in (estimate.low, estimate.high))
    if estimate.low is None and estimate.high is None:
        return ""
    if estimate.low is None:
        return f"at most {high}"
    return f"at least {low}" if estimate.high is None else f"{low} to {high}"


def clock(seconds: float | None) -> str:
    """0:45, −0:10 or 1:02:03, since the load began."""
    if seconds is None:
        return NONE
    whole = round(abs(seconds))
    return (MINUS if seconds < 0 and whole else "") + words.clock(whole)


def duration(seconds: float | None) -> str:
    """840 ms, 4.2 s, 180 s, 12 min or 3.1 h."""
    if seconds is None:
        return NONE
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.3g} s" if seconds < 600 else words.duration(seconds)


def utc(at_ns: int | None) -> str:
    """2026-01-31 12:00:00 UTC."""
    if at_ns is None:
        return NONE
    return datetime.fromtimestamp(at_ns / 1e9, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
