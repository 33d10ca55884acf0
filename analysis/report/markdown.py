"""The report as Markdown for a pull request: what decides first, details folded, never too long for a comment."""

import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.evidence import Evidence
from analysis.report import fault_words, formats
from analysis.report.decision import decision_rows, linked_reasons
from analysis.report.error_table import error_table
from analysis.verdict import Verdict
from analysis.words import counted

MAX_BYTES = 60_000
SHOWN_ROWS = 10
_LONGEST = 300
_BACKSLASHED = re.compile(r"([\\`*_\[\]|~])")
_ENTITIES = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "&#64;", "#": "&#35;"})


def text(value: str) -> Markup:
    """Text in which the Markdown, HTML, mentions and links of strangers have no effect."""
    line = " ".join(formats.clean(value).split())[:_LONGEST]
    escaped = _BACKSLASHED.sub(r"\\\1", line.translate(_ENTITIES))
    harmless = escaped.replace("://", "&#58;//").replace("www.", "www&#46;")
    return Markup(harmless)  # noqa: S704  # just escaped


def code(value: str) -> Markup:
    """A code span that nothing inside can end, also in a table."""
    line = " ".join(formats.clean(value).split())[:_LONGEST]
    return Markup("`" + line.replace("`", "'").replace("|", "¦") + "`")  # noqa: S704  # a code span shows all as it is


def block(value: str) -> Markup:
    """A code block whose fence is longer than anything inside."""
    lines = formats.clean(value)[: 20 * _LONGEST]
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", lines)), default=0))
    return Markup(f"{fence}\n{lines}\n{fence}")  # noqa: S704  # a code block shows all as it is


def markdown_report(evidence: Evidence, verdict: Verdict) -> str:
    """The report, with fewer details where all of them would not fit into a comment."""
    most = 200
    report = _render(evidence, verdict, most)
    while len(report.encode()) > MAX_BYTES and most:
        most //= 2
        report = _render(evidence, verdict, most)
    return report


def _render(evidence: Evidence, verdict: Verdict, most: int) -> str:
    rows = decision_rows(verdict)
    return (
        _environment()
        .get_template("report.md.j2")
        .render(
            verdict=verdict,
            manifest=evidence.manifest,
            reasons=linked_reasons(verdict, rows),
            shown_rows=rows[:SHOWN_ROWS],
            folded_rows=rows[SHOWN_ROWS : SHOWN_ROWS + most],
            left_out=max(0, len(rows) - SHOWN_ROWS - most),
            endpoints=verdict.endpoints[:most],
            errors=error_table(evidence, min(10, most)),
        )
    )


@cache
def _environment() -> Environment:
    """Templates whose every expression is escaped for Markdown, unless a filter has made it safe already."""
    loader = PackageLoader("analysis.report", "templates")
    env = Environment(
        loader=loader,
        autoescape=False,  # noqa: S701  # `finalize` escapes, for Markdown rather than HTML
        undefined=StrictUndefined,
        finalize=_escaped,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "clock": formats.clock,
        "block": block,
        "code": code,
        "count": formats.count,
        "duration": formats.duration,
        "interval_of": formats.interval_of,
        "share": formats.share,
        "sign": formats.sign,
        "utc": formats.utc,
        "value_of": formats.value_of,
    }
    env.globals |= {"counted": counted, "fault_words": fault_words}
    return env


def _escaped(value: Any) -> Any:
    return value if isinstance(value, Markup) else text(str(value))
