"""The report as one HTML page: no network, complete without its script, which only adds ways to look at it."""

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.evidence import Evidence
from analysis.report import fault_words, formats
from analysis.report.decision import decision_rows, folded_words, linked_reasons, split_rows
from analysis.report.error_table import error_table
from analysis.report.fault_cards import fault_cards
from analysis.report.memory_cards import memory_cards
from analysis.report.target_events import target_events
from analysis.report.timeline import generator_panels, run_axis, script_data, timeline_view
from analysis.verdict import Verdict, anchor
from analysis.words import counted
from journal.records import to_json


@cache
def environment() -> Environment:
    """Templates with every text escaped, and with the words of numbers as filters."""
    loader = PackageLoader("analysis.report", "templates")
    env = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    env.filters |= {
        "clean": formats.clean,
        "clock": formats.clock,
        "count": formats.count,
        "duration": formats.duration,
        "interval_of": formats.interval_of,
        "share": formats.share,
        "sign": formats.sign,
        "significant": formats.significant,
        "utc": formats.utc,
        "value_of": formats.value_of,
    }
    env.globals |= {"anchor": anchor, "counted": counted, "fault_words": fault_words}
    env.finalize = _finalize
    return env


def _finalize(value: Any) -> Any:
    """Text of the target may hold control characters, which no page should."""
    return formats.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def html_page(evidence: Evidence, verdict: Verdict) -> str:
    """The page."""
    run = run_axis(evidence, verdict)
    timeline, generator = timeline_view(evidence, verdict, run), generator_panels(evidence, run)
    rows = decision_rows(verdict)
    shown, folded = split_rows(rows)
    script, style = _resource("report.js"), stylesheet()
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            verdict=verdict,
            manifest=evidence.manifest,
            plan_json=json.dumps(to_json(evidence.manifest.plan), indent=2, ensure_ascii=False),
            reasons=linked_reasons(verdict, rows),
            shown_rows=shown,
            folded_rows=folded,
            folded_words=folded_words(folded),
            timeline=timeline,
            target_events=target_events(evidence),
            bin_width_s=run.bins.width_s,
            generator_panels=generator,
            faults=fault_cards(evidence, verdict, run),
            memory=memory_cards(evidence, verdict, run),
            errors=error_table(evidence),
            damages=[str(damage) for damage in evidence.damages],
            workers=evidence.columns.workers,
            style=Markup(style),  # noqa: S704  # our own file
            script=Markup(script),  # noqa: S704  # our own file
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            data=_json_in_html(script_data(evidence, verdict, run, (*timeline.panels, *generator))),
        )
    )


def _json_in_html(data: Mapping[str, Any]) -> Markup:
    """JSON that cannot end the element around it, whatever texts it holds."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    escaped = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return Markup(escaped)  # noqa: S704  # nothing is left in it that HTML knows


def stylesheet() -> str:
    """The look of every page."""
    return _resource("report.css")


def _resource(name: str) -> str:
    loader = environment().loader
    assert loader is not None
    return loader.get_source(environment(), name)[0]
