"""How many requests per second a plan can ask of one worker, from what its journeys declare beside their tasks."""

from collections.abc import Mapping
from typing import Any

from journal.outcomes import Kind
from journal.plan import Plan

LIMIT_SHARE = 0.8
"""Of what a worker can do at most: above it, waiting for the generator itself begins to show."""


def expected_per_s(plan: Plan, declared: Mapping[str, Mapping[str, Any]], service_s: float) -> float | None:
    """At most so many, when the target answers within `service_s`; None where a journey does not declare what it does.

    `declared` holds what `load.forecast` says of each journey. Each worker has an equal share of the most users, or of
    the most arrivals, that the plan wants.
    """
    load, rate_per_s = plan.load, 0.0
    for name, weight in load.mix.items():
        if weight and name not in declared:
            return None
        if weight:
            share = weight / sum(load.mix.values()) / load.workers
            rate_per_s += share * _most_passes_per_s(plan, declared[name], service_s) * _sent(declared[name])
    return rate_per_s


def _sent(declared: Mapping[str, Any]) -> float:
    """How many requests and messages one pass sends."""
    kinds = declared["kinds"]
    return float(sum(n for name, n in declared["operations"].items() if kinds[name] != Kind.WORKFLOW.name))


def _most_passes_per_s(plan: Plan, declared: Mapping[str, Any], service_s: float) -> float:
    """How many passes a second the plan would begin, were all of them those of this journey."""
    if plan.load.arrivals is not None:
        return plan.load.curve.highest
    think_s = declared["thinks"] * plan.load.think_time.mean_s
    pass_s = think_s + declared["waiting_s"] + _sent(declared) * service_s
    return plan.load.peak_users / pass_s if pass_s else 0.0


def warning(expected: float | None, ceiling_per_s: float) -> str:
    """What to say before a load that asks too much of this worker; empty when it does not."""
    if expected is None or expected <= LIMIT_SHARE * ceiling_per_s:
        return ""
    return (
        f"the plan may ask {expected:,.0f} requests/s of this worker, which can do {ceiling_per_s:,.0f} "
        f"({expected / ceiling_per_s:.0%}): more workers would leave it time to measure"
    )
