"""Hypothesis strategies for stages of arrivals with shapes that are valid."""

from hypothesis import strategies as st

from journal.plan import ArrivalStage
from journal.plan_shapes import Shape

LEVELS = st.floats(0, 60).map(lambda value: round(value, 3))
LENGTHS_S = st.floats(0.5, 40).map(lambda value: round(value, 3))


@st.composite
def arrival_stages(draw: st.DrawFn) -> ArrivalStage:
    """One stage of any shape."""
    level, duration_s = draw(LEVELS), draw(LENGTHS_S)
    kinds = ["constant", "soak", "ramp", "steps", "spike"] + (["sine"] if level > 0.01 else [])
    kind = draw(st.sampled_from(kinds))
    settings: dict[str, object] = {}
    if kind in {"ramp", "steps", "spike"}:
        settings["to"] = draw(LEVELS)
    if kind == "steps":
        settings["steps"] = draw(st.integers(2, 9))
    if kind == "spike":
        at_s = draw(st.floats(0, 0.7)) * duration_s
        settings |= {"at_s": at_s, "for_s": (duration_s - at_s) * draw(st.floats(0.1, 0.99))}
    if kind == "sine":
        settings |= {"amplitude": level * draw(st.floats(0.05, 1)), "period_s": draw(st.floats(0.3, 50))}
    return ArrivalStage(rate_per_s=level, duration_s=duration_s, shape=Shape(kind=kind, **settings))


STAGES = st.lists(arrival_stages(), min_size=1, max_size=4).map(tuple)
