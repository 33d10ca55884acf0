"""How numbers, intervals, times and states read in the reports."""

import math
import re
from datetime import UTC, datetime

from analysis import words
from analysis.verdict import Estimate, State

NONE = "–"
MINUS = "−"
SIGNS = {State.PASS: "✓", State.FAIL: "✗", State.INCONCLUSIVE: "?"}
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


def share(value: float | None) -> str:
    """97.2 %; more digits where fewer would claim 100 or 0 %."""
    if value is None:
        return NONE
    if value in {0.0, 1.0}:
        return f"{value * 100:.0f} %"
    digits = next((digits for digits in (1, 2, 3) if f"{value * 100:.{digits}f}".strip("0.") not in {"", "1"}), 4)
    return f"{value * 100:.{digits}f} %"


def significant(value: float | None, digits: int = 3) -> str:
    """Three significant digits, without an exponent."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}".replace("-", MINUS)


def signed(value: float | None) -> str:
    """+1.8 or −0.9."""
    return NONE if value is None else ("+" if value > 0 else "") + significant(value, 2)


def amount(value: float | None, unit: str) -> str:
    """A number without its unit, as its unit is read; a share is in %."""
    if value is None:
        return NONE
    if unit == "share":
        return share(value).removesuffix(" %")
    if unit == "MiB/h":
        return signed(value)
    if unit in {"count", "users"}:
        return count(round(value))
    return significant(value)


def unit_word(unit: str) -> str:
    """What follows the number."""
    return {"share": " %", "count": "", "users": ""}.get(unit, f" {unit}")


def value_of(estimate: Estimate, unit: str) -> str:
    """97.2 %."""
    return NONE if estimate.value is None else amount(estimate.value, unit) + unit_word(unit)


def interval_of(estimate: Estimate, unit: str) -> str:
    """96.5 to 97.8; empty without bounds."""
    low, high = estimate.low, estimate.high
    if low is None and high is None:
        return ""
    if low is None:
        return f"at most {amount(high, unit)}"
    return f"at least {amount(low, unit)}" if high is None else f"{amount(low, unit)} to {amount(high, unit)}"


def clock(seconds: float | None) -> str:
    """0:45, −0:10 or 1:02:03, since the load began."""
    if seconds is None:
        return NONE
    whole = round(abs(seconds))
    return (MINUS if seconds < 0 and whole else "") + words.clock(whole)


def duration(seconds: float | None) -> str:
    """840 ms, 4.2 s, 6 min or 3.1 h."""
    if seconds is None:
        return NONE
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.3g} s" if seconds < 100 else words.duration(seconds)


def utc(at_ns: int | None) -> str:
    """2026-01-31 12:00:00 UTC."""
    if at_ns is None:
        return NONE
    return datetime.fromtimestamp(at_ns / 1e9, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
