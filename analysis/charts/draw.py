"""Draws a Vega-Lite spec as an SVG that can stand inside an HTML page: no network, no scripts, no fixed colours."""

import re
from typing import Any

import vl_convert

from analysis.charts.ink import GRID, INK, MUTED
from journal.errors import HarnessDefect

Spec = dict[str, Any]

_VEGA_LITE = "6.4"
_FONT = "system-ui, sans-serif"
_CONFIG: Spec = {
    "aria": False,
    "background": None,
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "labelFontSize": 11,
        "gridColor": GRID,
        "domainColor": GRID,
        "tickColor": GRID,
        "title": None,
    },
}
_SIZE = re.compile(r'<svg [^>]*?viewBox="([^"]*)">')
_INVISIBLE = re.compile(r'<path class="(?:background|foreground)"[^>]*/>')
_FRAGMENT = re.compile(r'xlink:href="[^"#]*#')


def draw(spec: Spec, *, label: str, kind: str, data: dict[str, float] | None = None) -> str:
    """The drawing as an `<svg>` element.

    `label` is read out instead of the picture; `kind` is its CSS class; `data` become data attributes, by which the
    page's script finds the plot inside the drawing. Links inside a drawing lead to places on the page only.
    """
    try:
        svg = vl_convert.vegalite_to_svg({"config": _CONFIG, **spec}, vl_version=_VEGA_LITE, allowed_base_urls=[])
    except ValueError as error:
        raise HarnessDefect(f"the chart {label!r} cannot be drawn: {error}") from error
    opening = _SIZE.match(svg)
    assert opening is not None, "the drawing library changed how its SVG begins"
    attributes = "".join(f' data-{name}="{value:g}"' for name, value in (data or {}).items())
    role = "group" if "xlink:href" in svg else "img"
    head = f'<svg class="{kind}" viewBox="{opening[1]}" role="{role}" aria-label="{_escape(label)}"{attributes}>'
    body = _INVISIBLE.sub("", svg[opening.end() :])
    return head + _FRAGMENT.sub('href="#', body)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def text_mark(**options: Any) -> Spec:
    """A text mark in the drawings' usual size."""
    return {"type": "text", "fontSize": 11, "baseline": "middle", "align": "left", "fill": INK, **options}
