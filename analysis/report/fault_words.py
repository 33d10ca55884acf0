"""What is said of a fault: whether it bit, whether it was undone, and what its users felt."""

from analysis.report import formats
from analysis.verdict import FaultResult
from journal.plan import Plan


def effect(fault: FaultResult) -> str:
    """Whether its physical effect was seen."""
    if fault.injected_s is None:
        return "– never began" if fault.kind == "storm" else "– never injected"
    if fault.kind == "storm":
        hit = f"✓ hit {fault.evidence.get('users hit')}"
        return {"seen": hit, "none": "✗ none"}.get(fault.effect, "? not known")
    return {"seen": "✓ seen", "none": "✗ none: it did not bite"}.get(fault.effect, "? not known")


def revert(fault: FaultResult) -> str:
    """Whether it was undone, by comparison of the state before and after."""
    if fault.injected_s is None:
        return "– nothing to revert"
    if fault.kind == "storm":
        return _back(fault)
    return {"proven": "✓ proven", "failed": "✗ failed: it is still in force"}.get(fault.revert, "? not proven")


def _back(fault: FaultResult) -> str:
    """How many of a storm's users have again what they lost; those who left need nothing any more."""
    if fault.effect == "unknown":
        return "? not known"
    left = fault.evidence.get("left meanwhile")
    gone = f", {left} left meanwhile" if left else ""
    return f"{'✓' if fault.revert == 'proven' else '✗'} {fault.evidence['users back']} back{gone}"


def users(fault: FaultResult) -> str:
    """When its users were hurt, and when they were well again."""
    if fault.injected_s is None:
        return "–"
    if fault.recovered_s == 0:
        return "never hurt"
    if fault.detected_s is None:
        return "not known: the load did not outlast it"
    hurt = f"hurt after {formats.duration(fault.detected_s)}"
    if fault.recovered_s is None:
        return f"{hurt}; recovery not shown within the window"
    return f"{hurt}; well again {formats.duration(fault.recovered_s)} after the injection"


def budget(fault: FaultResult, plan: Plan) -> str:
    """The part of the run's error budget that it burned, and the most that the plan allows."""
    if fault.budget_share is None:
        return formats.NONE
    limits = {planned.id: planned.max_budget_share for planned in plan.disturbances}
    limit = f" (at most {formats.share(limits[fault.id])})" if fault.id in limits else ""
    return f"{formats.share(fault.budget_share)} of the run's error budget{limit}"


def moments(fault: FaultResult) -> tuple[tuple[str, str, float | None], ...]:
    """(what happened, when in words, when); what follows the injection is also counted from it."""
    if fault.kind == "storm":
        ends = (("began", fault.injected_s), ("all back", fault.proven_s))
        return tuple((what, _moment(what, at_s, fault.injected_s), at_s) for what, at_s in ends)
    happened = (
        ("planned", fault.planned_s),
        ("injected", fault.injected_s),
        ("effect seen", fault.effective_s),
        ("reverted", fault.reverted_s),
        ("revert proven", fault.proven_s),
    )
    return tuple((what, _moment(what, at_s, fault.injected_s), at_s) for what, at_s in happened)


def _moment(what: str, at_s: float | None, injected_s: float | None) -> str:
    if at_s is None or injected_s is None or what in {"planned", "injected", "began"}:
        return formats.clock(at_s)
    return f"{formats.clock(at_s)} (+{max(0.0, at_s - injected_s):.1f} s)"
