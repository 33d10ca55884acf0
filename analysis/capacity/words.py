"""A search's answer in words: the first line, and each capacity in one sentence."""

from analysis.capacity.result import Capacity
from journal.capacity import USERS
from journal.exit_codes import ExitCode

_SIGNS = {
    ExitCode.PASS: "✓ CAPACITY",
    ExitCode.FAIL: "✗ FAIL",
    ExitCode.INCONCLUSIVE: "? INCONCLUSIVE",
    ExitCode.INTERRUPTED: "! INTERRUPTED",
    ExitCode.ABORTED_BY_GUARD: "! ABORTED",
    ExitCode.NOT_REVERTED: "! NOT REVERTED",
}
_LIMITS = {
    "generator": "the generator was the limit, not the target",
    "most": "no more were to be tried",
    "": "the search did not come to its end",
}


def headline(code: ExitCode, reason: str, capacities: tuple[Capacity, ...]) -> str:
    """The first line: a sign, a word, why it is no success if it is none, and each answer."""
    sentences = [reason] if reason else []
    return f"{_SIGNS.get(code, '?')}. " + " ".join([*sentences, *(sentence(found) for found in capacities)])


def sentence(found: Capacity) -> str:
    """One answer."""
    held = f"With {found.fault} held: " if found.fault else ""
    return held + _answer(found, begins=not held) + "."


def _answer(found: Capacity, *, begins: bool) -> str:
    if found.fails is None:
        if not found.passes:
            return "nothing is known yet" if not begins else "Nothing is known yet"
        return f"{'At' if begins else 'at'} least {_many(found.passes, found.unit)}; {_limit(found)}"
    if not found.passes:
        no, verb = "Not even" if begins else "not even", "is" if found.fails == 1 else "are"
        return f"{no} {_many(found.fails, found.unit)} {verb} within the SLO{_standing(found)}"
    return f"{_many(found.passes, found.unit)} are within the SLO, {found.fails} are not{_standing(found)}"


def _standing(found: Capacity) -> str:
    parts = []
    if found.open:
        parts.append(f"{', '.join(map(str, found.open))} between them undecided")
    if not found.finished:
        parts.append("the search did not come to its end")
    parts.append("each seen twice" if found.confirmed else "not confirmed by a repeat")
    return f" ({'; '.join(parts)})"


def _limit(found: Capacity) -> str:
    if found.limit == "generator" and found.unit != USERS:
        return "the generator, or its pool of users (max_in_flight), was the limit, not the target"
    return _LIMITS[found.limit]


def _many(n: int, unit: str) -> str:
    return f"{n} user" if n == 1 and unit == USERS else f"{n} {unit}"
