"""The bar in a row of the decision table: a dot for the value, a whisker for its interval, a rule for the target.

Hundreds of rows need one each, so it is written directly; there are no axes in it that a library could place.
"""

from dataclasses import dataclass

from analysis.verdict import Estimate

WIDTH, HEIGHT, MARGIN = 160, 18, 6


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear scale shared by all bars of one unit."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """px from the left, kept inside the bar."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(MARGIN + min(max(share, 0.0), 1.0) * (WIDTH - 2 * MARGIN), 1)


def scale_of(estimates: list[Estimate], thresholds: list[float]) -> Scale:
    """A scale on which all of these fit, with some air."""
    bounds = [(estimate.value, estimate.low, estimate.high) for estimate in estimates]
    values = [number for bound in bounds for number in bound if number is not None] + thresholds
    if not values:
        return Scale(0.0, 1.0)
    air = (max(values) - min(values)) * 0.05 or abs(values[0]) * 0.1 or 1.0
    return Scale(min(values) - air, max(values) + air)


def interval_bar(estimate: Estimate, threshold: float | None, scale: Scale, *, state: str, label: str) -> str:
    """The bar as an SVG; the whisker runs to the edge where a bound is missing. `label` must hold no markup."""
    middle = HEIGHT / 2
    parts = [f'<line class="base" x1="{MARGIN}" y1="{middle}" x2="{WIDTH - MARGIN}" y2="{middle}"/>']
    if threshold is not None:
        at = scale.place(threshold)
        parts.append(f'<line class="target" x1="{at}" y1="1" x2="{at}" y2="{HEIGHT - 1}"/>')
    if estimate.low is not None or estimate.high is not None:
        low = scale.place(scale.low if estimate.low is None else estimate.low)
        high = scale.place(scale.high if estimate.high is None else estimate.high)
        parts.append(f'<path class="whisker" d="M{low} {middle}H{high}M{low} {middle - 4}v8M{high} {middle - 4}v8"/>')
    if estimate.value is not None:
        parts.append(f'<circle class="dot" cx="{scale.place(estimate.value)}" cy="{middle}" r="3"/>')
    head = f'<svg class="interval {state}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
    return head + "".join(parts) + "</svg>"
