"""The colours of all drawings, as CSS variables, so that one SVG serves light, dark and print."""

INK = "var(--ink, #1a1a1a)"
MUTED = "var(--muted, #595959)"
GRID = "var(--grid, #e4e4e4)"
BAND = "var(--band, #f3e3d3)"
WARM_UP = "var(--warm-up, #ececec)"
GAP = "var(--gap, #d0d0d0)"
SUSPECT = "var(--suspect, #ddd3ee)"
TARGET = "var(--target, #7a3b00)"
GOOD = "var(--pass, #0072B2)"
FAIL = "var(--fail, #B85000)"
SURFACE = "var(--surface, #ffffff)"

P50 = "var(--p50, #767676)"
P95 = "var(--p95, #0072B2)"
P99 = "var(--p99, #D55E00)"

# After Okabe and Ito, darkened where white paper needs it; named in report.css once more for the dark
SERIES = tuple(
    f"var(--series-{number}, {fallback})"
    for number, fallback in enumerate(
        ("#0072B2", "#D55E00", "#007F5F", "#9A5C86", "#8A6D00", "#3D8FBF", "#595959"),
        start=1,
    )
)


def series_colour(number: int) -> str:
    """The colour of the series with this index; they repeat after seven, where words must tell them apart."""
    return SERIES[number % len(SERIES)]
