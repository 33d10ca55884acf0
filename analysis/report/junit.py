"""The verdict as JUnit XML, which every CI system shows: one test case per gate.

A required gate that failed is a `failure`. A required one that could not be decided is an `error`: CI systems show it
as red as a failure, which agrees with the exit code (3), yet apart from it. A gate that only informs never turns a
build red: where it did not pass it is `skipped`, with what it found as the message. What ends a run otherwise (a guard,
a fault that was not reverted, a signal) is a test case of its own, since all gates may have passed.
"""

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from analysis.report import formats
from analysis.report.decision import DecisionRow, decision_rows
from analysis.verdict import State, Verdict
from journal.exit_codes import ExitCode

_DECIDED = {ExitCode.PASS, ExitCode.FAIL, ExitCode.INCONCLUSIVE}


def junit_xml(verdict: Verdict, plan: str) -> bytes:
    """The document, in UTF-8."""
    rows = decision_rows(verdict)
    suite = ET.Element("testsuite", name=formats.clean(f"gameday {plan}"), time=f"{verdict.load_s:.3f}")
    if verdict.load_began_ns is not None:
        began = datetime.fromtimestamp(verdict.load_began_ns / 1e9, tz=UTC)
        suite.set("timestamp", began.strftime("%Y-%m-%dT%H:%M:%S"))
    if verdict.exit_code not in _DECIDED:
        _end(_case(suite, "run", verdict.state), "error", verdict.line, "\n".join(verdict.reasons))
    for row in rows:
        _gate_case(suite, row)
    totals = {"tests": "testcase", "failures": ".//failure", "errors": ".//error", "skipped": ".//skipped"}
    for name, path in totals.items():
        suite.set(name, str(len(suite.findall(path))))
    root = ET.Element("testsuites", {name: suite.get(name, "0") for name in totals} | {"name": "gameday"})
    root.append(suite)
    ET.indent(root)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode").encode() + b"\n"


def _gate_case(suite: ET.Element, row: DecisionRow) -> None:
    gate = row.gate
    case = _case(suite, gate.gate, f"{row.gate_name} {gate.subject}".strip())
    interval = f" ({row.interval})" if row.interval else ""
    message = f"{gate.promise}: measured {row.measured}{interval}"
    if gate.state == State.PASS:
        ET.SubElement(case, "system-out").text = formats.clean(message)
    elif not gate.required:
        _end(case, "skipped", f"informs only; {gate.state}: {message}", gate.reason)
    else:
        _end(case, "failure" if gate.state == State.FAIL else "error", message, gate.reason)


def _case(suite: ET.Element, group: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=f"gameday.{formats.clean(group)}", name=formats.clean(name))


def _end(case: ET.Element, ending: str, message: str, detail: str) -> None:
    ET.SubElement(case, ending, message=formats.clean(message)).text = formats.clean(detail)
