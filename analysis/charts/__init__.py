"""Vega-Lite charts of a run, drawn to SVG."""
